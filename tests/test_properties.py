"""Whatever bytes and texts come: no crash, probabilities that sum to one, and texts that stay as they are.

`make test` tries some hundred of each, `make faults` ten thousand (--hypothesis-profile=faults).
"""

import re

import pytest
import torch
from conftest import LABELS, small_model
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_models import MODEL_NAMES
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.markdown import escape_markdown
from sentiment_hf.common.spreadsheet import FORMULA, escape_formula
from sentiment_hf.data.files import SUFFIXES, read_file
from sentiment_hf.data.table import Table
from sentiment_hf.settings.csv_settings import CsvSettings
from sentiment_hf.text.encode import encode
from sentiment_hf.text.encoded import EncodedTexts, pad
from sentiment_hf.training.batches import tensors

TEXTS_AT_ONCE = 20

texts = st.text(max_size=300)
# Every other piece is one that a table may stumble over.
fields = st.lists(st.one_of(st.sampled_from("\",;\t\r\n '\\"), st.text(max_size=5)), max_size=12).map("".join)
# What files are made of, and what breaks them.
LINE = b'{"text": "a", "label": 1}\n'
BYTES = [b"text,label\n", b'"', b",", b"\n", b"\r", b"\0", b"\xff\xfe", LINE, b"[", b"PAR1"]
pieces = st.one_of(st.binary(max_size=60), st.sampled_from(BYTES))
contents = st.lists(pieces, max_size=12).map(b"".join)


@given(content=contents, suffix=st.sampled_from(SUFFIXES))
def test_any_bytes_are_a_table_or_are_refused(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    try:
        table = read_file(path, "--train_file")
    except InputError as error:
        said = str(error)
    else:
        assert isinstance(table, Table)
        assert len({len(column) for column in table.columns.values()}) == 1
        said = table.place(0)
    assert str(path) in said


def quoted(text: str, delimiter: str, always: bool) -> str:
    """A field of a csv file by the rules of RFC 4180, in quotes where it needs them or `always`."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if always or {*text} & {'"', "\r", "\n", delimiter} else text


@given(
    rows=st.lists(st.tuples(fields, fields, st.sampled_from(["good", "poor"])), min_size=1, max_size=5),
    suffix=st.sampled_from([".csv", ".tsv"]),
    end=st.sampled_from(["\n", "\r\n"]),
    always=st.booleans(),
)
def test_a_table_is_read_as_it_was_written(tmp_path_factory, rows, suffix, end, always):
    delimiter = {".csv": ",", ".tsv": "\t"}[suffix]
    lines = [
        delimiter.join(quoted(text, delimiter, always) for text in row) for row in [("text", "note", "label"), *rows]
    ]
    path = tmp_path_factory.getbasetemp() / f"written{suffix}"
    path.write_bytes("".join(line + end for line in lines).encode())
    # In a TSV a text such as "\t\r\t" between quotes can be two rows without quoting too, which is said and preferred.
    settings = CsvSettings(quote='"') if suffix == ".tsv" else None
    columns = read_file(path, "--train_file", settings).columns
    assert list(zip(*columns.values(), strict=True)) == rows


@given(text=texts)
def test_any_text_is_cut_to_the_length_that_the_model_takes(tokenizer, text):
    ids = encode([text], tokenizer)["input_ids"][0]
    assert 1 <= len(ids) <= tokenizer.model_max_length


@pytest.fixture(scope="module")
def models() -> dict[str, torch.nn.Module]:
    return {name: small_model(name) for name in MODEL_NAMES}


@pytest.mark.parametrize("name", MODEL_NAMES)
@settings(max_examples=settings().max_examples // TEXTS_AT_ONCE)
@given(batch=st.lists(texts, min_size=TEXTS_AT_ONCE, max_size=TEXTS_AT_ONCE))
def test_any_text_has_probabilities(models, tokenizer, name, batch):
    inputs = tensors(pad(EncodedTexts.of(encode(batch, tokenizer)), tokenizer))
    with torch.inference_mode():
        probabilities = models[name](**inputs).logits.softmax(-1)
    assert probabilities.shape == (TEXTS_AT_ONCE, len(LABELS))
    assert probabilities.isfinite().all()
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(TEXTS_AT_ONCE))


@given(text=texts)
def test_any_text_is_no_markup_in_a_card_and_one_line(text):
    shown = escape_markdown(text)
    assert not re.search(r"(?<!\\)[*_`\[\]#|~$]", shown)
    assert "<" not in shown
    assert len(shown.splitlines()) <= 1


@given(text=texts)
def test_any_text_is_no_formula_in_a_cell(text):
    shown = escape_formula(text)
    assert shown == text or shown == f"'{text}"
    assert not FORMULA.match(shown)
