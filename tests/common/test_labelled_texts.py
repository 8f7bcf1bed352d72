"""`LabelledTexts`: rows keep their texts and labels however the column of texts lies in pieces."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from sentiment_hf.common.labelled_texts import CHUNK, LabelledTexts, framed

TEXTS = [f"text {row} " + "\u00e9\u96fb\0" * (row % 3) for row in range(2 * CHUNK + 7)]
LABELS = np.arange(len(TEXTS)) % 3


def in_pieces(size: int) -> LabelledTexts:
    pieces = [TEXTS[start : start + size] for start in range(0, len(TEXTS), size)]
    return LabelledTexts.of(pa.chunked_array(pieces, pa.large_string()), LABELS)


@pytest.mark.parametrize("size", [1, 700, 10**6])
def test_a_selection_has_its_rows_in_their_order(size):
    part = in_pieces(size)
    assert part.texts == list(part) == TEXTS
    odd = part.select(np.arange(len(part)) % 2 == 1).select(np.array([0, 3, 1000]))
    assert odd.texts == [TEXTS[1], TEXTS[7], TEXTS[2001]]
    assert part.select(np.array([0, 2000])).texts == [TEXTS[0], TEXTS[2000]]
    assert part.select(np.array([], int)).texts == []
    assert [odd[place] for place in range(3)] == odd.texts


@pytest.mark.parametrize("size", [1, 700, 10**6])
def test_the_characters_of_a_text_are_its_length_in_python(size):
    part = in_pieces(size).select(np.arange(len(TEXTS)) % 5 != 0)
    assert part.characters.tolist() == [len(text) for text in part]
    assert part.select(np.array([], int)).characters.tolist() == []


def test_joined_parts_are_one_behind_the_other():
    first, second = in_pieces(700).select(np.array([1, 5])), LabelledTexts.of(["a", "b"], [2, 0])
    both = LabelledTexts.joined([first, second, first])
    assert both.texts == [TEXTS[1], TEXTS[5], "a", "b", TEXTS[1], TEXTS[5]]
    assert both.labels.tolist() == [1, 2, 2, 0, 1, 2]
    assert (np.diff(both.rows) > 0).all()
    assert both.digests[0] == both.digests[4] != both.digests[2]


def test_equal_texts_and_no_others_have_equal_digests():
    part = in_pieces(700)
    assert len(np.unique(part.digests)) == len(set(TEXTS)) == len(TEXTS)
    assert (
        LabelledTexts.of(["b", "a", "b"], [0, 0, 1]).digests[[0, 2]].tolist()
        == [LabelledTexts.of(["b"], [0]).digests[0]] * 2
    )


@pytest.mark.parametrize("size", [1, 700, 10**6])
def test_the_framed_bytes_are_those_of_each_row(size):
    part = in_pieces(size).select(np.arange(len(TEXTS)) % 5 != 0)
    found, expected = hashlib.sha256(), hashlib.sha256()
    for rows in framed(part):
        found.update(rows)
    for text, label in zip(part, part.labels, strict=True):
        expected.update(f"{label}\0{text}\1".encode())
    assert found.hexdigest() == expected.hexdigest()
