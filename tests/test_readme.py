"""What the README says: its commands are understood, what it names is there, a model is added in three steps."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from helpers import is_printed, published_rows, wilson
from launching import python
from sklearn.metrics import f1_score

from sentiment_hf.cli import ensemble, push
from sentiment_hf.cli.predict import parse_predict
from sentiment_hf.comparison.plan import flags
from sentiment_hf.comparison.statistics.results import compare
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.settings.run_flags import parse_run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = [
    line for block in re.findall(r"```bash\n(.*?)```", README, re.S) for line in block.splitlines() if line.strip()
]
RUN = ("accelerate launch", "sentiment-hf run")
PREDICT = ("python scripts/predict.py", "sentiment-hf predict")


def words_after(command: str, program: str) -> list[str]:
    """The flags of a README command behind the name of the program."""
    words = shlex.split(command, comments=True)
    return words[words.index(program) + 1 :]


@pytest.mark.parametrize("command", [line for line in SHELL if line.startswith(RUN)])
def test_every_run_command_is_understood(command, monkeypatch, tmp_path):
    program = "run" if command.startswith("sentiment-hf") else "scripts/run.py"
    words = words_after(command, program)
    # Where the command names the folder of a checkpoint, there is one.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    folder = Path(words[words.index("--model") + 1] if "--model" in words else "")
    if folder.parts[:1] in (("out",), ("path",)):
        folder.mkdir(parents=True)
        base = {"base_model_name_or_path": "bert-base-uncased"}
        (folder / "config.json").write_text('{"model_type": "bert"}')
        if folder.name.endswith("lora"):
            (folder / "adapter_config.json").write_text(json.dumps(base))
    if "--embed_with" in words:
        encoder = Path(words[words.index("--embed_with") + 1])
        encoder.mkdir(parents=True)
        (encoder / "config.json").write_text('{"model_type": "bert"}')
    spec = parse_run(words)
    assert spec.run.config or spec.how == "baseline"


@pytest.mark.parametrize("command", [line for line in SHELL if line.startswith(PREDICT)])
def test_every_predict_command_is_understood(command):
    program = "predict" if command.startswith("sentiment-hf") else "scripts/predict.py"
    assert parse_predict(words_after(command, program)).model


@pytest.mark.parametrize("command", [line for line in SHELL if line.startswith("python scripts/push.py")])
def test_every_push_command_is_understood(command):
    assert push.parse_push(words_after(command, "scripts/push.py")).hub_model_id


@pytest.mark.parametrize("command", [line for line in SHELL if line.startswith("python scripts/compare.py")])
def test_every_compare_command_is_understood(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    args = flags.parse_compare(words_after(command, "scripts/compare.py"))
    assert args.folders or args.models
    for candidate in args.models.values():
        assert parse_run(args.words(candidate.flags))


@pytest.mark.parametrize("command", [line for line in SHELL if line.startswith("python scripts/ensemble.py")])
def test_every_ensemble_command_is_understood(command):
    assert len(ensemble.parse_ensemble(words_after(command, "scripts/ensemble.py")).folders) > 1


def test_every_make_target_exists():
    named = {target for line in SHELL if line.startswith("make ") for target in re.findall(r"make (\w+)", line)}
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in named)


def test_every_file_of_the_tree_exists():
    tree = README.split("## The tree")[1].split("```")[1]
    named = re.findall(r"[\w.]+/|\w+\.py", tree)
    found = {path.name for path in ROOT.rglob("*.py")} | {f"{path.name}/" for path in ROOT.rglob("*") if path.is_dir()}
    assert len(named) > 20
    assert set(named) <= found


def test_the_results_are_those_of_the_reports():
    sys.path.insert(0, str(ROOT / "scripts"))
    from results_table import results_table

    for dataset in ("imdb", "imdb-idle", "truncation", "waimai_10k"):
        assert results_table(ROOT / "results" / dataset) in README


def tables() -> list[list[list[str]]]:
    """The cells of each line, but for its head, of each table whose lines begin with the name of a model."""
    found = re.findall(r"^\|(?: *-+:?\|)+\n((?:\| `.*\n)+)", README, re.M)
    return [[line.strip("|").split(" | ") for line in table.splitlines()] for table in found]


@pytest.mark.parametrize("dataset", ["imdb", "imdb-idle", "truncation", "waimai_10k"])
def test_the_results_are_those_of_the_predictions(dataset):
    """Counted anew from the files, by nothing of the package."""
    models = defaultdict(list)
    for run, labels, logs in published_rows(ROOT / "results" / dataset):
        models[re.sub(r"-seed\d+$", "", run["run"])].append((run, labels, logs.argmax(1)))
    named = [{cells[0].strip(" `"): cells for cells in table} for table in tables()]
    (rows,) = (rows for rows in named if rows.keys() == models.keys())
    for name, cells in rows.items():
        reports = [run for run, *_ in models[name]]
        speeds = [run["inference"]["texts_per_second_one_core"] for run in reports if "inference" in run]
        score, low, high = np.mean([wilson(labels == found) for _, labels, found in models[name]], axis=0) * 100
        f1 = np.mean([f1_score(labels, found, average="macro") for _, labels, found in models[name]])
        medians = {key: median(run[key] for run in reports) for key in ("train_seconds", "train_tokens_per_second")}
        assert cells[1] == str(len(reports))
        assert is_printed(cells[2], 100 * np.mean([run["validation"]["accuracy"] for run in reports]))
        assert is_printed(cells[3], score), (name, cells[3], score)
        assert is_printed(cells[4], low, high) or len(reports) > 1
        assert is_printed(cells[5], 100 * f1)
        assert is_printed(cells[6], reports[0]["parameters"])
        assert is_printed(cells[7], reports[0]["trainable_parameters"])
        assert is_printed(cells[8], medians["train_seconds"] / 60)
        assert is_printed(cells[9], medians["train_tokens_per_second"])
        assert any(is_printed(cells[10], speed) for speed in speeds) or (cells[10] == "–" and not speeds)
        assert is_printed(cells[11], median(run["peak_memory_bytes"] for run in reports) / 2**20)
        assert cells[12].strip(" |") == str(max(run["threads"] for run in reports))


def test_the_learning_curve_is_that_of_the_reports(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from experiments import experiment_table

    runs = load_runs([ROOT / "results" / "learning-curve"])
    assert experiment_table(compare(runs, None)) in README


def test_the_learning_curve_is_that_of_the_predictions():
    """Counted anew from the files, by nothing of the package."""
    table = re.search(r"^(\| test accuracy \(%\) by .*)\n.*\n((?:\|.*\n)+)", README, re.M)
    heads, *rows = [line.strip("| ").split(" | ") for line in (table[1], *table[2].splitlines())]
    cells = {(row[0], size): cell for row in rows for size, cell in zip(heads[1:], row[1:], strict=True)}
    for run, labels, logs in published_rows(ROOT / "results" / "learning-curve"):
        name = re.sub(r"(-\d+rows)?-seed0$", "", run["run"])
        cell = cells.pop((name, f"{run['data']['rows']['train']:,}"))
        assert is_printed(cell, *(100 * number for number in wilson(logs.argmax(1) == labels)))
    assert not cells


def test_a_model_is_added_in_three_steps(tmp_path):
    for name in ("custom_models", "sentiment_hf", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    section = README.split("## Add a model in three steps")[1]
    code = re.search(r"```python\n(.*?)```", section, re.S).group(1)
    (tmp_path / "custom_models/mine.py").write_text(re.sub(r"^   ", "", code, flags=re.M))
    added = re.search(r"Add `(from .*?)` and the line `(.*?)`", section)
    package = tmp_path / "custom_models/__init__.py"
    text = package.read_text().replace("MODELS = (\n", f"{added.group(1)}\n\nMODELS = (\n    {added.group(2)}\n", 1)
    package.write_text(text)
    named = re.search(r"`(\"custom-mine\": .*?)`", section).group(1)
    names = tmp_path / "sentiment_hf/settings/model_ref.py"
    names.write_text(names.read_text().replace("MODELS = {\n", f"MODELS = {{\n    {named}\n", 1))
    recipe = "# accelerate launch scripts/run.py --model custom-mine\nmax_steps: 20\n"
    (tmp_path / "configs/custom-mine.yaml").write_text(recipe)
    program = f"""
import custom_models
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.runs.run import run
from transformers import pipeline
assert custom_models.__file__.startswith({str(tmp_path)!r})
report = run(parse_run(["--model", "custom-mine", "--dataset", "sample", "--output_dir", "out"])).as_json()
assert report["test"]["rows"] == 200
assert pipeline("text-classification", "out")("A fine film.")[0]["label"] in ("negative", "positive")
"""
    done = subprocess.run([python(), "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/mine.py").is_file()
