"""A finished run stays the same run for another version of the libraries and on another machine."""

import json

import pytest
from helpers import flags, write_data

from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.changes import changed_settings, default_settings
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The flags and run.json of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    argv = flags(write_data(folder / "data"), folder / "run", "--max_steps", "2")
    run(parse_run(argv))
    return argv, folder / "run" / "run.json"


def with_identity(finished, change):
    """Finish the run anew with a changed run.json; returns whether it was trained again."""
    argv, file = finished
    kept = file.read_text()
    try:
        file.write_text(json.dumps(change(json.loads(kept))))
        report = file.with_name("report.json")
        time = report.stat().st_mtime_ns
        run(parse_run(argv))
        return report.stat().st_mtime_ns != time
    finally:
        file.write_text(kept)


def test_each_setting_that_an_older_version_did_not_have_means_its_default(finished):
    identity, defaults = json.loads(finished[1].read_text()), default_settings()
    unset = [name for name in identity if name in defaults and identity[name] == defaults[name]]
    assert len(unset) > 80
    for name in unset:
        assert changed_settings({key: value for key, value in identity.items() if key != name}, identity) == {}, name
    assert not with_identity(finished, lambda saved: {key: saved[key] for key in saved if key not in unset})


def test_a_setting_that_is_not_its_default_must_be_in_run_json(finished):
    identity = json.loads(finished[1].read_text())
    for name in ("max_steps", "min_frequency", "data", "processes", "model_name_or_path"):
        assert list(changed_settings({key: identity[key] for key in identity if key != name}, identity)) == [name]


def test_a_setting_of_a_later_version_is_no_change_and_said_if_it_has_a_value(finished, caplog):
    assert not with_identity(finished, lambda saved: saved | {"of_a_later_version": None, "another": False})
    assert "does not know" not in caplog.text
    assert not with_identity(finished, lambda saved: saved | {"of_a_later_version": 0.5})
    assert "run.json has settings that this version does not know: of_a_later_version 0.5" in caplog.text


def test_hashes_count_even_if_only_one_of_the_runs_has_them(finished):
    identity = json.loads(finished[1].read_text())
    assert list(changed_settings(identity | {"model_files": "abc"}, identity)) == ["model_files"]


def test_a_run_of_another_device_is_finished_here(finished):
    assert not with_identity(finished, lambda saved: saved | {"use_cpu": False})


def test_a_known_setting_with_another_value_is_a_change(finished):
    with pytest.raises(InputError, match=r"weight_decay: 0\.5 there, 0\.0 here"):
        with_identity(finished, lambda saved: saved | {"weight_decay": 0.5})
