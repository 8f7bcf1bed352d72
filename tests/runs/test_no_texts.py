"""`--no_texts`: no file of a run, and no page that is made of it, shows a text of the data."""

import csv
import json
import re
from pathlib import Path

import pytest
from helpers import TINY, read_report, reviews, write_csv, write_data

from sentiment_hf.cli import audit_command, compare_command, ensemble_command, explain_command, run_command
from sentiment_hf.comparison.plan.flags import parse_compare
from sentiment_hf.comparison.plan.plan import plan
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training import broken_step
from sentiment_hf.training.safe_trainer import SafeTrainer


def pieces(data: Path) -> set[str]:
    """All four words that stand one behind the other in a text of the data."""
    found = set()
    for file in data.glob("*.csv"):
        with file.open(newline="", encoding="utf-8") as opened:
            texts = [row["text"].split() for row in csv.DictReader(opened)]
        found |= {" ".join(words[start : start + 4]) for words in texts for start in range(len(words) - 3)}
    return found


def showing(folder: Path, data: Path) -> set[str]:
    """The names of the files with a piece of a text of the data, which is of small letters, as tokens are."""
    of_data, files = pieces(data), [path for path in folder.rglob("*") if path.is_file()]
    shown = {path: re.sub(r"<[^>]*>", "", path.read_bytes().decode("latin-1")) for path in files}
    return {path.name for path, content in shown.items() if any(piece in content for piece in of_data)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Labelled parts, and one without labels."""
    folder = write_data(tmp_path_factory.mktemp("data"))
    write_csv(folder / "bare.csv", [(text, "n") for text, _ in reviews(19, 9)], ("text", "id"))
    return folder


def files_of(data: Path, test: str = "test") -> list[str]:
    files = {"train": "train", "validation": "validation", "test": test}
    return [f"--{part}_file={data / name}.csv" for part, name in files.items()]


def flags(data: Path, out: Path, *more: str, test: str = "test") -> list[str]:
    words = ["--model", "custom-fc", *files_of(data, test), "--output_dir", str(out), "--disable_tqdm", "true"]
    return [*words, "--max_steps", "2", "--eval_strategy", "no", "--model_config", *TINY[:1], "--no_cache", *more]


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    """Two runs that show no texts."""
    folder = tmp_path_factory.mktemp("made")
    for seed in ("0", "1"):
        assert run_command(flags(data, folder / seed, "--no_texts", "--seed", seed)) == 0
    return folder


def test_the_folder_and_the_card_of_a_run_show_none(made, data):
    assert showing(made, data) == set()
    assert read_report(made / "0")["no_texts"] is True
    assert "widget" not in (made / "0" / "README.md").read_text()


def test_it_changes_nothing_else(made, data, tmp_path):
    assert run_command(flags(data, tmp_path / "run", "--seed", "0")) == 0
    plain, without = read_report(tmp_path / "run"), read_report(made / "0")
    assert plain["fingerprint"] == without["fingerprint"]
    assert plain["flags"] == without["flags"]
    assert "no_texts" not in plain
    assert "widget" in (tmp_path / "run" / "README.md").read_text()


def test_rows_without_labels_are_numbered(data, tmp_path):
    for name, more in {"plain": [], "without": ["--no_texts"]}.items():
        assert run_command(flags(data, tmp_path / name, "--predict_unlabelled", *more, test="bare")) == 0
    assert showing(tmp_path / "plain", data) == {"unlabelled_test.csv"}
    assert showing(tmp_path / "without", data) == set()
    tables = {}
    for name in ("plain", "without"):
        with (tmp_path / name / "unlabelled_test.csv").open(newline="", encoding="utf-8") as file:
            tables[name] = list(csv.DictReader(file))
    assert [row["row"] for row in tables["without"]] == [str(number) for number in range(1, 20)]
    assert [row["prediction"] for row in tables["without"]] == [row["prediction"] for row in tables["plain"]]
    assert set(tables["plain"][0]) - set(tables["without"][0]) == {"text", "id"}


def test_the_rows_of_a_broken_step_are_numbers(data, tmp_path, monkeypatch):
    monkeypatch.setattr(SafeTrainer, "_get_grad_norm", lambda trainer, *_, **__: refused(trainer))
    for name, more in {"plain": [], "without": ["--no_texts"]}.items():
        assert run_command(flags(data, tmp_path / name, *more)) == 3
    assert showing(tmp_path / "plain", data) == {"broken_batch.json"}
    assert showing(tmp_path / "without", data) == set()
    plain, without = (
        json.loads((tmp_path / name / "broken_batch.json").read_text())["rows"] for name in ("plain", "without")
    )
    assert without == [{"row": row["row"]} for row in plain]


def refused(trainer: SafeTrainer) -> None:
    broken_step.refuse_step(trainer, trainer.current_step, float("nan"))


def test_pages_of_the_run_obey_it_without_being_told(made, data, tmp_path):
    folders = [str(made / "0"), str(made / "1")]
    assert ensemble_command([*folders, "--output_dir", str(tmp_path / "both")]) == 0
    assert read_report(tmp_path / "both")["no_texts"] is True
    page = ["--no_cache", "--output_dir", str(tmp_path)]
    assert compare_command([*folders, str(tmp_path / "both"), *files_of(data), *page]) == 0
    assert explain_command([folders[0], "--overview", "--output", str(tmp_path / "overview.html")]) == 0
    assert {"report.html", "overview.html"} <= {file.name for file in tmp_path.rglob("*")}
    assert showing(tmp_path, data) == set()


def test_an_overview_and_the_runs_of_a_comparison_are_told(data, tmp_path):
    assert run_command(flags(data, tmp_path / "run")) == 0
    words = [str(tmp_path / "run"), "--overview", "--output"]
    assert explain_command([*words, str(tmp_path / "plain.html")]) == 0
    assert explain_command([*words, str(tmp_path / "without.html"), "--no_texts"]) == 0
    assert showing(tmp_path, data) == {"plain.html"}
    models = ["--models", "custom-fc", "--seeds", "1", *files_of(data), "--output_dir", str(tmp_path / "compared")]
    for more in ([], ["--no_texts"]):
        runs, *_ = plan(parse_compare([*models, *more]))
        assert [parse_run(run.argv).data.no_texts for run in runs] == [bool(more)]


def test_an_explanation_of_a_text_shows_it(made, capsys):
    assert explain_command([str(made / "0"), "A fine film.", "--no_texts"]) == 2
    assert "what explains a text shows it" in capsys.readouterr().err


def test_an_audit_names_rows_by_place(data, tmp_path):
    # Train has each of its rows twice.
    rows = reviews(40, 0) * 2
    folder = tmp_path / "doubled"
    write_csv(folder / "train.csv", rows)
    for name, more in {"plain": [], "without": ["--no_texts"]}.items():
        words = [f"--train_file={folder / 'train.csv'}", "--no_cache", "--output_dir", str(tmp_path / name), *more]
        assert audit_command(words) == 0
    assert showing(tmp_path / "plain", folder) == {"audit.csv", "audit.html"}
    assert showing(tmp_path / "without", folder) == set()
    tables = []
    for name in ("plain", "without"):
        with (tmp_path / name / "audit.csv").open(newline="", encoding="utf-8-sig") as file:
            tables.append([row | {"text": ""} for row in csv.DictReader(file)])
    assert tables[0] == tables[1] != []
