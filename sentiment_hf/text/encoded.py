"""`EncodedTexts`: the token ids of many texts in one array, from which batches are cut and padded."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class EncodedTexts:
    """Texts as token ids, one text behind the other. A selection of rows shares the arrays of all tokens.

    It is a data set for the `DataLoader` of torch, which hands a whole batch to the collator as one `EncodedTexts`.

    values: the values of each token, (tokens,): input_ids, and what else the model takes, such as token_type_ids.
        There is no attention mask: it follows from the lengths.
    starts: (rows,) place of the first token of each text.
    lengths: (rows,) number of tokens of each text.
    columns: further values of each row, (rows, ...): label, row.
    text_of: (rows,) the number of the text whose window a row is, if long texts are read in windows; None if each row
        is a whole text.
    """

    values: dict[str, np.ndarray]
    starts: np.ndarray
    lengths: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    text_of: np.ndarray | None = None

    @classmethod
    def of(cls, encoded: dict[str, list[list[int]]], dtype: type = np.int32) -> Self:
        """The tokens of texts as `encode` returns them; `dtype` holds every id of the tokenizer."""
        lengths = np.fromiter(map(len, encoded["input_ids"]), np.int32, len(encoded["input_ids"]))
        total = int(lengths.sum())
        values = {
            name: np.fromiter(chain.from_iterable(texts), dtype, total)
            for name, texts in encoded.items()
            if name != "attention_mask"
        }
        return cls(values, starts_of(lengths), lengths)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The texts of several `EncodedTexts` without columns, each of which holds whole arrays and no selection."""
        values = {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values}
        lengths = np.concatenate([part.lengths for part in parts])
        joined = cls(values, starts_of(lengths), lengths)
        return joined if parts[0].text_of is None else joined.as_windows(np.concatenate([p.windows() for p in parts]))

    @staticmethod
    def save(parts: Iterable["EncodedTexts"], folder: Path) -> None:
        """Write whole `EncodedTexts` without columns one behind the other, as the files NAME.DTYPE and lengths.npy.

        With windows, windows.npy has the number of windows of each text.
        """
        files, lengths, windows = {}, [], []
        with ExitStack() as opened:
            for part in parts:
                for name, values in part.values.items():
                    file = f"{name}.{values.dtype}"
                    if file not in files:
                        files[file] = opened.enter_context((folder / file).open("wb"))
                    values.tofile(files[file])
                lengths.append(part.lengths)
                if part.text_of is not None:
                    windows.append(part.windows())
        np.save(folder / "lengths.npy", np.concatenate(lengths))
        if windows:
            np.save(folder / "windows.npy", np.concatenate(windows))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote in the folder. The values stay in files that are mapped into memory."""
        files = [file for file in sorted(folder.iterdir()) if file.suffix != ".npy"]
        values = {file.stem: np.asarray(np.memmap(file, file.suffix[1:], mode="r")) for file in files}
        lengths = np.load(folder / "lengths.npy")
        loaded, windows = cls(values, starts_of(lengths), lengths), folder / "windows.npy"
        return loaded.as_windows(np.load(windows)) if windows.exists() else loaded

    def as_windows(self, counts: Sequence[int] | np.ndarray) -> Self:
        """The same rows as windows: the first `counts[0]` rows are those of text 0, and so on."""
        counts = np.asarray(counts)
        return replace(self, text_of=np.repeat(np.arange(len(counts), dtype=np.int32), counts))

    @property
    def num_texts(self) -> int:
        """The number of texts, of which a whole part may have several windows each."""
        return len(self) if self.text_of is None else len(self.windows())

    def first_windows(self, texts: Sequence[int]) -> Self:
        """The first row of each of these texts of a whole part."""
        return self.select(texts if self.text_of is None else np.searchsorted(self.text_of, texts))

    def windows(self) -> np.ndarray:
        """(texts,) the number of windows of each text, if rows are windows."""
        return np.bincount(self.text_of)

    def share_longer_than(self, limit: int) -> float:
        """The share of texts that reach `limit` tokens; with windows, of those that have several."""
        return float((self.lengths >= limit).mean() if self.text_of is None else (self.windows() > 1).mean())

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> dict:
        """The values and columns of a row, as `Trainer` expects of a data set."""
        row = int(row)
        span = slice(self.starts[row], self.starts[row] + self.lengths[row])
        values = {name: of_all[span].tolist() for name, of_all in self.values.items()}
        return values | {name: of_all[row] for name, of_all in self.columns.items()}

    def __getitems__(self, rows: Sequence[int]) -> list[Self]:
        """A batch for the collator, a list because `DataLoader` and `Trainer` take batches for lists of rows."""
        return [self.select(rows)]

    def select(self, rows: Sequence[int] | np.ndarray) -> Self:
        """These rows in this order."""
        rows = np.asarray(rows)
        columns = {name: of_all[rows] for name, of_all in self.columns.items()}
        text_of = None if self.text_of is None else self.text_of[rows]
        return replace(self, starts=self.starts[rows], lengths=self.lengths[rows], columns=columns, text_of=text_of)

    def with_column(self, name: str, values: np.ndarray) -> Self:
        """The same texts with one more column."""
        return self.with_columns({name: values})

    def with_columns(self, columns: dict[str, np.ndarray]) -> Self:
        """The same texts with more columns: (texts, ...) values, which each window of a text gets."""
        of_rows = columns
        if self.text_of is not None:
            of_rows = {name: values[self.text_of] for name, values in columns.items()}
        return replace(self, columns=self.columns | of_rows)

    def texts(self, name: str = "input_ids") -> Iterator[np.ndarray]:
        """The ids of each text, or other values of its tokens."""
        of_all = self.values[name]
        for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True):
            yield of_all[start : start + length]


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """(rows,) int64: where each text begins if one stands behind the other."""
    return np.cumsum(lengths, dtype=np.int64) - lengths


def pad(
    tokens: EncodedTexts, tokenizer: "PreTrainedTokenizerBase", length: int | None = None
) -> dict[str, np.ndarray]:
    """Arrays (batch, length) of what the model takes, padded on the side of the tokenizer; and the columns.

    `length` is by default that of the longest text. The column label becomes `labels`, as the models call it.
    """
    length = int(tokens.lengths.max()) if length is None else length
    places = np.arange(length) if tokenizer.padding_side == "right" else np.arange(length)[::-1]
    mask = places < tokens.lengths[:, None]
    fill = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    batch = {}
    for name in tokens.values:
        padded = np.full(mask.shape, fill.get(name, 0), np.int64)
        padded[mask] = np.concatenate(list(tokens.texts(name)))
        batch[name] = padded
    if "attention_mask" in tokenizer.model_input_names:
        batch["attention_mask"] = mask.astype(np.int64)
    for name, values in tokens.columns.items():
        batch["labels" if name == "label" else name] = values
    return batch
