"""Measures for compare --explain how faithful the explanations of each model are."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.comparison.statistics.seeds import group_seeds
from sentiment_hf.explaining.faithfulness import measure_model
from sentiment_hf.explaining.measured import read_measured
from sentiment_hf.explaining.rows import some_test_rows
from sentiment_hf.runs.finished import Run
from sentiment_hf.settings.model_ref import ModelRef

# Test rows on which a model is measured.
ROWS = 100


def first_folders(runs: Sequence[Run]) -> dict[str, Path]:
    """{name of a model: the folder of its first seed}, of the models on all rows of train."""
    most = max(run.train_rows for run in runs)
    groups = [group for group in group_seeds(runs) if group.runs[0].train_rows == most]
    return {group.name: group.runs[0].folder for group in groups}


def measured_explanations(comparison: dict, runs: Sequence[Run], trust_remote_code: bool) -> tuple[list[dict], list]:
    """The entries of `faithfulness` in results.json, and the failures; what was measured before is not measured again.

    An entry has the name of the model, the method, and the fields of `Faithfulness`.
    """
    folders, entries, failed = first_folders(runs), [], []
    for name in (model["name"] for model in comparison["models"]):
        try:
            for method, found in (read_measured(folders[name]) or measured(folders[name], trust_remote_code)).items():
                entries.append(
                    {"name": name, "method": method, **asdict(found), "offered": found.is_better_than_random}
                )
        except InputError as error:
            failed.append({"name": f"explanations of {name}", "reason": str(error)})
    return entries, failed


def measured(folder: Path, trust_remote_code: bool) -> dict:
    """Measure the model in a folder, and print what was found."""
    ref = ModelRef.in_folder(folder, trust_remote_code=trust_remote_code)
    found = measure_model(ref, None, lambda scorer: some_test_rows(ref, scorer.columns, ROWS))
    for method, one in found.items():
        print(f"{folder.name}: {method}, {one}", flush=True)
    return found
