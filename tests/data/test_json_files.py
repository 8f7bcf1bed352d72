"""JSON by columns is named as such, keys that a row lacks are None, and memory is bounded."""

import json
import tracemalloc

import pytest

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.files import read_file

ROWS = [{"text": f"my film, number {row}", "label": "good" if row % 2 else "poor"} for row in range(2000)]
TEXTS, LABELS = ([row[name] for row in ROWS] for name in ("text", "label"))
NUMBERS = [str(row) for row in range(len(ROWS))]

BY_COLUMNS = {
    "columns": {"text": dict(zip(NUMBERS, TEXTS, strict=True)), "label": dict(zip(NUMBERS, LABELS, strict=True))},
    "index": dict(zip(NUMBERS, ROWS, strict=True)),
    "split": {"columns": ["text", "label"], "index": NUMBERS, "data": [[*row.values()] for row in ROWS]},
    "list": {"text": TEXTS, "label": LABELS},
}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("orient", BY_COLUMNS)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_json_by_columns_is_named_in_one_short_line(tmp_path, orient, suffix):
    with pytest.raises(InputError) as error:
        read_file(write(tmp_path / f"x{suffix}", BY_COLUMNS[orient]), "--train_file")
    message = str(error.value)
    assert f"orient={'columns' if orient == 'list' else orient}" in message.replace("'", "")
    assert "orient='records'" in message
    assert len(message) <= 500
    assert "my film" not in message


def test_rows_under_data_are_read_beside_other_keys(tmp_path):
    for content in ({"data": ROWS}, {"version": "1", "data": ROWS}, {"schema": {"fields": []}, "data": ROWS}):
        assert read_file(write(tmp_path / "x.json", content), "--train_file").columns["text"][:] == TEXTS
    assert read_file(write(tmp_path / "x.json", ROWS[0]), "--train_file").columns["text"][:] == TEXTS[:1]


@pytest.mark.parametrize("row", [[*ROWS[0].values()], "my film " * 10_000, 5])
def test_a_row_that_is_no_object_is_shown_in_short(tmp_path, row):
    with pytest.raises(InputError, match="row 2: expected an object") as error:
        read_file(write(tmp_path / "x.json", [ROWS[0], row]), "--train_file")
    assert len(str(error.value)) <= 300


@pytest.mark.parametrize("lines", [True, False])
def test_a_key_a_row_does_not_take_memory_by_the_square(tmp_path, lines):
    rows = [{"text": "a", "label": "b", f"k{row}": 1} for row in range(4000)]
    path = write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows)) if lines else rows)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"4000 rows have 4002 different keys.*the same keys"):
        read_file(path, "--train_file")
    assert tracemalloc.get_traced_memory()[1] < 60 * path.stat().st_size
    tracemalloc.stop()


def test_keys_that_some_rows_lack_are_none(tmp_path):
    rows = [row | ({f"extra{place % 50}": place} if place % 3 else {}) for place, row in enumerate(ROWS)]
    columns = read_file(write(tmp_path / "x.json", rows), "--train_file").columns
    assert columns["text"][:] == TEXTS
    assert columns["extra1"][:3] == [None, 1, None]
