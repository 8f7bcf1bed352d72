"""Made-up texts that can be learned: words by Zipf's law, and now and then a word of the class."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.csv import CSVWriter
from pyarrow.parquet import ParquetWriter

WRITERS = {".parquet": ParquetWriter, ".csv": CSVWriter}
CLASSES = ("neg", "pos")
WORDS, CLASS_WORDS = 50_000, 200

# The share of words that are of the class of the text, and the rows that are in memory at a time.
OF_CLASS = 0.05
CHUNK = 20_000
LETTERS = "etaoinshrdlucmfw"


def vocabulary() -> np.ndarray:
    """(WORDS + 2 * CLASS_WORDS,) different words; a frequent word is short, as in a language."""
    words = []
    for number in range(WORDS + len(CLASSES) * CLASS_WORDS):
        letters = []
        while number >= 0:
            letters.append(LETTERS[number % len(LETTERS)])
            number = number // len(LETTERS) - 1
        words.append("".join(letters))
    return np.array(words, dtype=object)


def rows(count: int, length: int, seed: int) -> Iterator[pa.Table]:
    """Yield tables with text (`length` words each) and label, `count` rows in all; a seed gives the same rows."""
    chance, words = np.random.default_rng(seed), vocabulary()
    # Zipf's law with the offset of Mandelbrot, so that the first word is no tenth of all.
    cumulated = np.cumsum(1 / (np.arange(WORDS) + 2.7))
    cumulated /= cumulated[-1]
    for begin in range(0, count, CHUNK):
        size = min(CHUNK, count - begin)
        labels = chance.integers(len(CLASSES), size=size)
        ids = np.searchsorted(cumulated, chance.random((size, length)))
        of_class = chance.random((size, length)) < OF_CLASS
        own = WORDS + labels[:, None] * CLASS_WORDS + chance.integers(CLASS_WORDS, size=(size, length))
        texts = [" ".join(text) for text in words[np.where(of_class, own, ids)].tolist()]
        yield pa.table({"text": texts, "label": [CLASSES[label] for label in labels]})


def write_rows(file: Path, count: int, length: int, seed: int) -> None:
    """A parquet or csv file with `rows`, which are never all in memory."""
    tables = rows(count, length, seed)
    first = next(tables)
    with WRITERS[file.suffix](file, first.schema) as writer:
        for part in chain([first], tables):
            writer.write_table(part)


def write_parts(
    folder: Path, train: int, length: int, files: int = 1, small: int = 1000, suffix: str = ".parquet"
) -> None:
    """Train in `files` files, validation and test of `small` rows each."""
    folder.mkdir()
    sizes = [train * (number + 1) // files - train * number // files for number in range(files)]
    for number, size in enumerate(sizes):
        write_rows(folder / f"train-{number:05d}-of-{files:05d}{suffix}", size, length, seed=number)
    for number, part in enumerate(("validation", "test"), files):
        write_rows(folder / f"{part}{suffix}", small, length, seed=number)
