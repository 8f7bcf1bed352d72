"""Read word vectors (GloVe, word2vec, fastText) and copy them into the embedding of a new model."""

import gzip
import itertools
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError

CHUNK_BYTES = 1 << 20


def load_word_vectors(path: str | Path, vocabulary: Mapping[str, int], dimension: int) -> tuple[Tensor, Tensor]:
    """Return vectors (vocab, dimension) float32 and found (vocab,) bool; the row of a word not found is zero.

    The formats are GloVe text, word2vec text, fastText .vec and word2vec binary (suffix .bin), each also with .gz.
    Words are compared exactly. Words outside `vocabulary` are skipped. Of a word that occurs twice, the first vector
    is used.

    Raises:
        InputError: the file cannot be read, is damaged or cut short, has vectors of another dimension, or holds no
            word of `vocabulary`. The message names the file and the line (in a binary file, the word) by its number.
    """
    path = Path(path)
    indices = {word.encode(): index for word, index in vocabulary.items()}
    vectors = np.zeros((max(vocabulary.values()) + 1, dimension), dtype=np.float32)
    found = np.zeros(len(vectors), dtype=bool)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            binary = Path(path.name.removesuffix(".gz")).suffix == ".bin"
            for place, word, numbers in (_read_binary if binary else _read_text)(path, file, dimension):
                index = indices.get(word)
                if index is not None and not found[index]:
                    vectors[index] = _parse_vector(numbers, path, place)
                    found[index] = True
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"--word_vectors {path} cannot be read: {error}.") from error
    if not found.any():
        raise InputError(
            f"--word_vectors {path} holds no word of the vocabulary ({len(vocabulary)} tokens). Expected vectors of "
            "whole words in the language and case of the texts, and --tokenizer word."
        )
    return torch.from_numpy(vectors), torch.from_numpy(found)


def initialise_embedding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: str | Path) -> float:
    """Copy word vectors into the model's embedding. Return the share of words found (0 to 1), without special tokens.

    The other rows keep their random values, rescaled to the standard deviation of the vectors. The padding row is 0.

    Raises:
        InputError: see `load_word_vectors`.
    """
    embedding = model.get_input_embeddings()
    words = {word: index for word, index in tokenizer.get_vocab().items() if index not in tokenizer.all_special_ids}
    vectors, found = load_word_vectors(path, words, embedding.embedding_dim)
    vectors, found = vectors.to(embedding.weight), found.to(embedding.weight.device)
    others = torch.ones(embedding.num_embeddings, dtype=torch.bool, device=embedding.weight.device)
    others[: len(found)] = ~found
    others[tokenizer.pad_token_id] = False
    with torch.no_grad():
        embedding.weight[others] *= vectors[found].std() / embedding.weight[others].std()
        embedding.weight[: len(found)][found] = vectors[found]
        embedding.weight[tokenizer.pad_token_id] = 0
    return found.sum().item() / len(words)


def _read_text(path: Path, file: BinaryIO, dimension: int) -> Iterator[tuple[str, bytes, list[bytes]]]:
    """Yield the place ("line 3"), word and numbers of each line; a word may hold spaces (". . ." in GloVe 840B).

    At most CHUNK_BYTES of a line are read. A longer line has the wrong number of fields and is refused.
    """
    for number, line in enumerate(iter(partial(file.readline, CHUNK_BYTES), b""), start=1):
        fields = line.rstrip(b" \r\n").split(b" ")
        if number == 1:
            header = _parse_header(fields)
            _check_dimension(path, header[1] if header else _count_trailing_numbers(fields), dimension)
            if header:
                continue
        # A line with more fields is two lines that have lost the line break between them.
        if not dimension < len(fields) <= 2 * dimension + 1:
            raise InputError(
                f"--word_vectors {path}, line {number}: expected a word and {dimension} numbers, found {len(fields)} "
                "fields. The file is damaged or cut short: get it anew, or remove the line."
            )
        yield f"line {number}", b" ".join(fields[:-dimension]), fields[-dimension:]


def _read_binary(path: Path, file: BinaryIO, dimension: int) -> Iterator[tuple[str, bytes, np.ndarray]]:
    """Yield the place ("word 3"), word and numbers of each entry.

    An entry is the word, a space, `dimension` float32 numbers and an optional line feed.
    """
    header = _parse_header(file.readline(100).split())
    if header is None:
        raise InputError(
            f"--word_vectors {path}, line 1: expected how many words and numbers there are, as a word2vec binary has "
            "it. Of a fastText model take the .vec file; a text file should not be named .bin."
        )
    count, width = header
    _check_dimension(path, width, dimension)
    buffer, start = b"", 0
    for number in range(1, count + 1):
        space = buffer.find(b" ", start)
        while space < 0 or len(buffer) <= space + 4 * dimension:
            chunk = file.read(CHUNK_BYTES)
            if not chunk or (space < 0 and len(buffer) - start > CHUNK_BYTES):
                raise InputError(
                    f"--word_vectors {path}, word {number} of {count}: the file is cut short or damaged there; "
                    "get it anew."
                )
            buffer, start = buffer[start:] + chunk, 0
            space = buffer.find(b" ")
        end = space + 1 + 4 * dimension
        yield f"word {number}", buffer[start:space].lstrip(b"\n"), np.frombuffer(buffer[space + 1 : end], dtype="<f4")
        start = end


def _parse_header(fields: list[bytes]) -> tuple[int, int] | None:
    """(number of words, dimension) from the first line of word2vec and fastText; None for GloVe without a header."""
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _count_trailing_numbers(fields: list[bytes]) -> int:
    return len(list(itertools.takewhile(_is_number, reversed(fields[1:]))))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _check_dimension(path: Path, found: int, dimension: int) -> None:
    if found == 0:
        raise InputError(
            f"--word_vectors {path}, line 1: expected a word and its numbers, separated by single spaces, found no "
            "number at the end. Give a file in the text format of GloVe, word2vec or fastText, or a word2vec .bin."
        )
    if found != dimension:
        raise InputError(
            f"--word_vectors {path}, line 1: its vectors have {found} numbers, the model's embedding has {dimension}. "
            f"Add --model_config embedding_size={found}, or take another file."
        )


def _parse_vector(numbers: list[bytes] | np.ndarray, path: Path, place: str) -> np.ndarray:
    try:
        vector = np.array(numbers, dtype=np.float32)
    except ValueError as error:
        raise InputError(
            f"--word_vectors {path}, {place}: expected numbers, but {error}. Get the file anew, or remove the line."
        ) from error
    if not np.isfinite(vector).all():
        raise InputError(f"--word_vectors {path}, {place}: a number is not finite. Get the file anew.")
    return vector
