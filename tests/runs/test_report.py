"""report.json is what `Report` holds: written as it is read, of any version before, and no later one by guess."""

import json
from pathlib import Path

import pytest

from sentiment_hf.cli import compare_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.report import SCHEMA, Report

ROOT = Path(__file__).parents[2]
PUBLISHED = [json.loads(line) for path in sorted(ROOT.glob("results/**/runs.jsonl")) for line in path.open()]
SMALL = {"model": "custom-fc", "tuning": "scratch", "dataset": "reviews", "labels": ["bad", "good"], "data": {}}


def test_a_report_is_read_as_it_was_written(tmp_path):
    report = Report(**SMALL, seed=3, test={"accuracy": 0.75}, folder=tmp_path)
    report.save(tmp_path)
    assert Report.load(tmp_path) == report
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["schema"] == SCHEMA
    assert written["test"] == {"accuracy": 0.75}
    assert written["license"] is None
    assert {"validation", "members", "folder"}.isdisjoint(written)


def test_every_published_report_loads_and_keeps_its_keys():
    """The oldest of them were written before there was a schema."""
    assert len(PUBLISHED) > 200
    for line in PUBLISHED:
        content = {name: value for name, value in line.items() if name not in ("run", "inference")}
        kept = Report.from_json(content, Path(line["run"], "report.json")).as_json()
        assert {name: kept.get(name, "gone") for name in content} == content, line["run"]


def test_a_key_of_a_later_version_is_no_fault_and_a_later_schema_is():
    assert Report.from_json(SMALL | {"carbon": 1}, Path("run/report.json")).model == "custom-fc"
    with pytest.raises(InputError, match=rf"later version \(schema {SCHEMA + 1}.*update sentiment-hf"):
        Report.from_json(SMALL | {"schema": SCHEMA + 1}, Path("run/report.json"))


DAMAGED = ["", "[1]", "7", "null", '"words"', '{"model": "custom-fc"}', json.dumps(SMALL | {"labels": "ab"})]
DAMAGED += [json.dumps(SMALL | {"schema": "2"}), json.dumps(SMALL | {"schema": None})]


@pytest.mark.parametrize("content", DAMAGED)
def test_what_is_no_report_is_refused_in_one_line(tmp_path, capsys, content):
    (tmp_path / "report.json").write_text(content)
    assert compare_command([str(tmp_path), "--output_dir", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "report.json") in line


@pytest.mark.parametrize("content", [line for line in DAMAGED if line] + ['{"a": 1}', '{"run": 3}', "", "{"])
def test_what_is_no_published_comparison_is_refused_in_one_line(tmp_path, capsys, content):
    (tmp_path / "runs.jsonl").write_text(f"{content}\n" if content else "")
    assert compare_command([str(tmp_path), "--output_dir", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "runs.jsonl") in line
