"""What README and results say: the figures are those of committed runs, the outputs those of the commands."""

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
from served import Service
from sklearn.metrics import f1_score

from sentiment_hf.comparison.statistics.results import compare
from sentiment_hf.runs.finished import load_runs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
PROGRAMS = {"sentiment-hf": ["-m", "sentiment_hf"], "scripts/run.py": ["-m", "sentiment_hf", "run"]}


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_rows_of_the_readme_are_those_of_the_results():
    (short,) = re.findall(r"^\| model \|.*\n\|.*\n(?:\|.*\n)+", README, re.M)
    whole = re.search(r"^\| model \|.*\n\|.*\n(?:\|.*\n)+", RESULTS, re.M)[0]
    lines = {cells["model"]: cells for cells in rows_of(whole)}
    order = list(lines)
    rows = rows_of(short)
    assert len(rows) == 8
    assert [cells["model"] for cells in rows] == sorted((cells["model"] for cells in rows), key=order.index)
    for cells in rows:
        assert cells == {name: lines[cells["model"]][name] for name in cells}


def rows_of(table: str) -> list[dict[str, str]]:
    """The rows of a Markdown table, each {head: cell}."""
    heads, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    return [dict(zip(heads, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def pasted(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The commands of the first two sections, with those of `make demo`, run in their order: {command: its output}."""
    folder, outputs = tmp_path_factory.mktemp("readme"), {}
    demo = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    commands = [line for line in demo.replace("\\\n", " ").splitlines() if "out/sample" in line]
    ends = [line for line in fenced("bash") if line.startswith("sentiment-hf") and line.split()[1] != "serve"]
    commands += [line for line in ends if "out/sample" in line]
    commands.insert(2, "sentiment-hf run --model custom-fc --dataset sample")
    (folder / "reviews.csv").write_text("text,label\nA fine film.,positive\n")
    for command in commands:
        words = shlex.split(command, comments=True)
        start = next(index for index, word in enumerate(words) if Path(word).name in ("sentiment-hf", "run.py"))
        program = PROGRAMS["scripts/run.py" if words[start].endswith("run.py") else "sentiment-hf"]
        done = subprocess.run([python(), *program, *words[start + 1 :]], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        outputs[command] = done.stdout
    return folder, outputs


def test_the_service_answers_as_pasted(pasted, tmp_path):
    (served,) = (line.split()[2:] for line in fenced("bash") if line.startswith("sentiment-hf serve"))
    (asked,) = (shlex.split(line) for line in fenced("bash") if line.startswith("curl"))
    service = Service(pasted[0] / served[0], tmp_path)
    command = [word.replace(":8000/", f":{service.port}/") for word in asked]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert answer["label"] == "positive"
    assert service.end() == 0


def fenced(language: str) -> list[str]:
    """The lines of the blocks of this language in the README."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def shape(line: str) -> str:
    """The line without what differs between machines: numbers, and blanks that stand for digits."""
    return re.sub(r" +", " ", re.sub(r"\d[\d,.]*", "N", line)).strip()


def test_the_outputs_in_the_readme_are_those_of_its_commands(pasted):
    _, outputs = pasted
    printed = {shape(line) for text in outputs.values() for line in text.splitlines()}
    # The first lines are those of the demo.
    shown = fenced("text")[8:]
    assert len(shown) > 10
    for line in shown:
        assert shape(line) in printed, line


def test_the_demo_convinces(pasted):
    folder, outputs = pasted
    lines = next(text for command, text in outputs.items() if "We loved every minute." in command).splitlines()
    assert [line.split("\t")[2] for line in lines] == [line.split("\t")[2] for line in fenced("text")[:6]]
    classes = {line.split("\t")[2]: line.split("\t")[0] for line in lines}
    assert len(classes) == 6
    assert classes["A fine film."] == "positive"
    assert classes["The soup was cold and the waiter rude."] == "negative"
    assert classes["We loved every minute."] == "positive"
    assert (folder / "out/sample/custom-lstm/report.json").is_file()


def test_the_results_are_those_of_the_reports():
    sys.path.insert(0, str(ROOT / "scripts"))
    from results_table import results_table

    others = (
        "stars",
        "stars-as-numbers",
        "columns",
        "newsgroups",
        "newsgroup-parts",
        "long-texts-imdb",
        "imdb-unlabelled",
        "imdb-pretrained",
        "imdb-distilled",
    )
    for dataset in ("imdb", "imdb-idle", "truncation", "waimai_10k", *others):
        assert results_table(ROOT / "results" / dataset) in RESULTS
    private = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert results_table(ROOT / "results" / "imdb-private") in private


def tables() -> list[list[list[str]]]:
    """The cells of each line, but for its head, of each table whose lines begin with the name of a model."""
    found = re.findall(r"^\|(?: *-+:?\|)+\n((?:\| `.*\n)+)", RESULTS, re.M)
    return [[line.strip("|").split(" | ") for line in table.splitlines()] for table in found]


def test_our_figures_beside_published_ones_are_those_of_the_tables():
    section = RESULTS.split("### Beside published figures")[1].split("###")[0]
    ours = [cell for line in section.splitlines() if len(cell := line.split(" | ")[1:2]) and cell[0][:1].isdigit()]
    tests = {cells[3] for table in tables() for cells in table if len(cells) > 3}
    assert len(ours) >= 8
    assert {one for (one,) in ours} <= tests


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
        # Reports of older versions have the seconds of the steps alone, and the memory of the whole process.
        seconds = median(run.get("total_seconds") or run["train_seconds"] for run in reports)
        assert cells[1] == str(len(reports))
        assert is_printed(cells[2], 100 * np.mean([run["validation"]["accuracy"] for run in reports]))
        assert is_printed(cells[3], score), (name, cells[3], score)
        assert is_printed(cells[4], low, high) or len(reports) > 1
        assert is_printed(cells[5], 100 * f1)
        assert is_printed(cells[6], reports[0]["parameters"])
        assert is_printed(cells[7], reports[0]["trainable_parameters"])
        assert is_printed(cells[8], seconds / 60)
        assert is_printed(cells[9], median(run["train_tokens_per_second"] for run in reports))
        assert any(is_printed(cells[10], speed) for speed in speeds) or (cells[10] == "–" and not speeds)
        memory = median(run.get("run_memory_bytes") or run["peak_memory_bytes"] for run in reports)
        assert is_printed(cells[11], memory / 2**20)
        assert cells[12].strip(" |") == str(max(run["threads"] for run in reports))


def test_the_learning_curve_is_that_of_the_reports(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from experiments import experiment_table

    runs = load_runs([ROOT / "results" / "learning-curve"])
    assert experiment_table(compare(runs, None)) in RESULTS


def test_the_learning_curve_is_that_of_the_predictions():
    """Counted anew from the files, by nothing of the package."""
    table = re.search(r"^(\| test accuracy \(%\) by .*)\n.*\n((?:\|.*\n)+)", RESULTS, re.M)
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
    section = (ROOT / "docs" / "add-a-model.md").read_text(encoding="utf-8")
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


def test_the_picture_of_taught_models_is_made_of_committed_runs(tmp_path):
    sys.path.insert(0, str(ROOT / "scripts"))
    from before_after import TAUGHT, draw

    from sentiment_hf.comparison.statistics.seeds import group_seeds
    from sentiment_hf.runs.finished import load_runs_in

    models = group_seeds(load_runs_in(ROOT / "results" / "imdb-distilled"))
    names = {model.name for model in models}
    assert {name.removesuffix(TAUGHT) for name in names if name.endswith(TAUGHT)} < names
    draw(models, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes()[1:4] == b"PNG"
