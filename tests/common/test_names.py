"""Names of files that are not UTF-8, as from a zip made elsewhere, or with a locale that knows ASCII only."""

import os
from pathlib import Path

import pandas as pd
import pytest
from helpers import flags, read_report, write_data

from sentiment_hf.cli import compare_command, ensemble_command, run_command
from sentiment_hf.common.files import read_json, write_json

ODD = os.fsdecode(b"donn\xe9es")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_data_file_may_have_any_name(suffix, tmp_path):
    data = write_data(tmp_path)
    rows, file = pd.read_csv(data / "train.csv"), tmp_path / f"{ODD}.{suffix}"
    with file.open("wb") as opened:
        if suffix == "csv":
            rows.to_csv(opened, index=False)
        elif suffix == "jsonl":
            rows.to_json(opened, orient="records", lines=True)
        else:
            rows.to_parquet(opened)
    assert run_command([*flags(data, tmp_path / "run", model="custom-fc"), "--train_file", str(file)]) == 0
    assert read_report(tmp_path / "run")["dataset"] == "donn_es"
    # The same run again: what was written is read as the same settings.
    assert run_command([*flags(data, tmp_path / "run", model="custom-fc"), "--train_file", str(file)]) == 0


def test_a_name_that_is_not_utf8_is_the_same_when_it_is_read_again(tmp_path):
    write_json(tmp_path / "a.json", {ODD: f"{ODD}.csv", "é": "ü"})
    assert read_json(tmp_path / "a.json") == {ODD: f"{ODD}.csv", "é": "ü"}
    assert "ü" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [run_command, ensemble_command, compare_command])
def test_an_output_folder_that_tokenizers_cannot_write_to_is_refused(command, tmp_path, capsys):
    data, odd = write_data(tmp_path), str(tmp_path / ODD)
    words = {
        run_command: flags(data, tmp_path, model="custom-fc"),
        ensemble_command: [str(tmp_path), str(tmp_path)],
        compare_command: ["--models", "custom-fc", "--train_file", str(data / "train.csv")],
    }[command]
    assert command([*words, "--output_dir", odd]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--output_dir" in line
    assert not Path(odd).exists()
