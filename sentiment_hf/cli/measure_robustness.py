"""Measures for compare --robustness what changed texts do to each model."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sentiment_hf.cli.measure_explanations import first_folders
from sentiment_hf.cli.robustness import ROWS
from sentiment_hf.common.errors import InputError
from sentiment_hf.comparison.statistics.measures import holm
from sentiment_hf.robustness.kept import Robustness, read_robustness
from sentiment_hf.robustness.measure import measure_model
from sentiment_hf.robustness.names import NAMES
from sentiment_hf.robustness.shown import lines_of
from sentiment_hf.runs.finished import Run
from sentiment_hf.settings.model_ref import ModelRef


def measured_robustness(comparison: dict, runs: Sequence[Run], trust_remote_code: bool) -> tuple[list[dict], list]:
    """The entries of `robustness` in results.json, and the failures; what was measured before is not measured again.

    An entry has the name of the model and the fields of `Robustness`; its effects have `p_holm`, too.
    """
    folders, entries, failed = first_folders(runs), [], []
    folders = {model["name"]: folders[model["name"]] for model in comparison["models"]}
    rows = rows_of_all(folders.values(), len(runs[0].labels))
    for name, folder in folders.items():
        try:
            found = read_robustness(folder)
            if found is None or not is_usable(found, rows):
                found = measured(name, folder, rows, trust_remote_code)
            entries.append({"name": name, **asdict(found)})
        except InputError as error:
            failed.append({"name": f"robustness of {name}", "reason": str(error)})
    correct_p(entries)
    return entries, failed


def rows_of_all(folders: Sequence[Path], test_rows: int) -> int:
    """The rows on which all models are measured: the most on which one of them was, but 500 at least, if there are."""
    return min(max(ROWS, *map(kept_rows, folders)), test_rows)


def kept_rows(folder: Path) -> int:
    """The rows on which the model in a folder was measured; 0 if it was not."""
    try:
        found = read_robustness(folder)
    except InputError:
        # It is refused where the model has its turn.
        return 0
    return found.rows if found else 0


def is_usable(found: Robustness, rows: int) -> bool:
    """Whether it is of these rows, and an older version did not miss a perturbation."""
    return found.rows == rows and NAMES.keys() <= found.effects.keys() | found.left_out.keys()


def measured(name: str, folder: Path, rows: int, trust_remote_code: bool) -> Robustness:
    """Measure the model in a folder, and print what was found."""
    found, task = measure_model(ModelRef.in_folder(folder, trust_remote_code=trust_remote_code), rows)
    print("\n".join(lines_of(name, found, task)), flush=True)
    return found


def correct_p(entries: Sequence[dict]) -> None:
    """Give each effect `p_holm`, p after Holm's correction for all effects on all models."""
    effects = [effect for entry in entries for effect in entry["effects"].values()]
    for effect, p in zip(effects, holm(np.array([effect["p"] for effect in effects])).tolist(), strict=True):
        effect["p_holm"] = p
