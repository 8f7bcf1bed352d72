"""Promises of sentiment_hf.text.word_vectors."""

import gzip
import struct

import numpy as np
import pytest
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from sentiment_hf.common.errors import InputError
from sentiment_hf.text.tokenizers import train_tokenizer
from sentiment_hf.text.word_vectors import initialise_embedding, load_word_vectors

VOCABULARY = {"good": 3, "bad": 4, "très": 5, "absent": 6}
VECTORS = {"good": [0.5, -1.0, 2.0], "bad": [1e-3, 0.25, -4.0], "unused": [9.0, 9.0, 9.0], "très": [3.0, 2.0, 1.0]}


def text_lines(end="\n"):
    return "".join(f"{word} {' '.join(map(str, vector))}{end}" for word, vector in VECTORS.items()).encode()


def binary(end=b"\n"):
    entries = [word.encode() + b" " + struct.pack("<3f", *vector) + end for word, vector in VECTORS.items()]
    return b"4 3\n" + b"".join(entries)


FORMATS = {
    "glove.txt": text_lines(),
    "glove-crlf.txt": text_lines("\r\n"),
    "word2vec.txt": b"4 3\n" + text_lines(),
    "fasttext.vec": b"4 3\n" + text_lines(" \n"),
    "word2vec.bin": binary(),
    "without-line-feeds.bin": binary(b""),
}


def write(path, content):
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_vectors(tmp_path, name, suffix):
    vectors, found = load_word_vectors(write(tmp_path / (name + suffix), FORMATS[name]), VOCABULARY, 3)
    assert found.tolist() == [False, False, False, True, True, True, False]
    assert vectors.dtype == torch.float32
    expected = torch.zeros(7, 3)
    expected[3:6] = torch.tensor([VECTORS["good"], VECTORS["bad"], VECTORS["très"]])
    assert vectors.equal(expected)


def test_binary_larger_than_a_read_is_whole(tmp_path):
    table = np.random.default_rng(0).standard_normal((3000, 200)).astype("<f4")
    entries = [f"w{index} ".encode() + row.tobytes() + b"\n" for index, row in enumerate(table)]
    path = write(tmp_path / "large.bin", b"3000 200\n" + b"".join(entries))
    vectors, found = load_word_vectors(path, {f"w{index}": index for index in range(3000)}, 200)
    assert found.all()
    np.testing.assert_array_equal(vectors, table)


def test_word_may_hold_spaces_and_the_first_of_equals_counts(tmp_path):
    path = write(tmp_path / "glove.txt", b"good 1 2 3\n. . . 7 8 9\ngood 4 5 6\nbad 0 0 1\n")
    vectors, found = load_word_vectors(path, {"good": 0, "bad": 1, ".": 2}, 3)
    assert vectors.tolist() == [[1, 2, 3], [0, 0, 1], [0, 0, 0]]
    assert found.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.txt", b"good 1 2\nbad 1 2\n", r"line 1: .* 2 numbers.*--model_config embedding_size=2"),
        ("a.vec", b"2 5\ngood 1 2 3 4 5\n", r"line 1: .*--model_config embedding_size=5"),
        ("a.bin", b"2 5\ngood ", r"line 1: .*--model_config embedding_size=5"),
        ("a.txt", b"bad 1 2 3\ngood 1 x 3\n", r"line 2: expected numbers.*'x'"),
        ("a.txt", b"bad 1 2 3\ngood 1 nan 3\n", r"line 2: .*not finite"),
        ("a.txt", b"bad 1 2 3\nother 4 5 6\ngood 1 2", r"line 3: expected a word and 3 numbers, found 3 fields"),
        ("a.txt", b"bad 1 2 3\nother 4 5 6good 1 2 3\n\n", r"line 3: "),
        ("a.txt", b"bad 1 2 3\nother 4 5 6 good 1 2 3\n", r"line 2: .*found 8 fields"),
        ("a.txt", b"<!doctype html>\n<p>not found</p>\n", r"line 1: .*no number"),
        ("a.txt.gz", b"bad 1 2 3\ngood 1 2\n", r"line 2: "),
        ("a.txt.gz", b"bad 1 2 3\n" + b"good " * 300_000, r"line 2: .*found 209716 fields"),
        ("a.bin", binary()[:-6], r"word 4 of 4: .*cut short"),
        ("a.bin", b"4 3\n" + b"x" * 3_000_000, r"word 1 of 4: "),
        ("a.bin", b"\xba\x16\x4f\x2f\x0c\x00\x00\x00", r"line 1: .*\.vec"),
        ("a.txt", b"other 1 2 3\n", "no word of the vocabulary"),
        ("a.txt", b"", "no word of the vocabulary"),
    ],
)
def test_broken_file_is_refused_with_its_place(tmp_path, name, content, named):
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=named) as error:
        load_word_vectors(path, VOCABULARY, 3)
    assert str(path) in str(error.value)


def test_file_that_is_absent_a_folder_or_half_an_archive_is_refused(tmp_path):
    half = tmp_path / "half.txt.gz"
    half.write_bytes(gzip.compress(text_lines())[:-12])
    for path in (tmp_path / "absent.txt", tmp_path, half):
        with pytest.raises(InputError, match="cannot be read"):
            load_word_vectors(path, VOCABULARY, 3)


def test_embedding_takes_the_vectors_and_scales_the_rest(tmp_path):
    tokenizer = train_tokenizer(
        ["good bad très", "absent missing"], "word", vocab_size=50, min_frequency=1, lowercase=True, model_max_length=8
    )
    torch.manual_seed(0)
    # More rows than the vocabulary, as models padded to a round size have.
    config = DistilBertConfig(vocab_size=64, dim=12, n_heads=2, n_layers=1, hidden_dim=12, pad_token_id=0)
    model = DistilBertForSequenceClassification(config)
    before = model.get_input_embeddings().weight.detach().clone()
    rng = np.random.default_rng(0)
    table = {word: rng.normal(0, 5, 12).astype(np.float32) for word in ("good", "bad", "très", "[PAD]", "[UNK]")}
    content = "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in table.items())
    path = write(tmp_path / "glove.txt", content.encode())

    coverage = initialise_embedding(model, tokenizer, path)

    after = model.get_input_embeddings().weight
    assert coverage == 3 / 5
    ids = tokenizer.convert_tokens_to_ids(["good", "bad", "très"])
    known = torch.tensor(np.stack([table[word] for word in ("good", "bad", "très")]))
    assert after[ids].equal(known)
    assert after[tokenizer.pad_token_id].eq(0).all()
    others = [row for row in range(1, 64) if row not in ids]
    torch.testing.assert_close(after[others].std(), known.std())
    torch.testing.assert_close(after[others] / after[others].std(), before[others] / before[others].std())
    assert after.requires_grad
