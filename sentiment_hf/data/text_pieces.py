"""Read a UTF-8 file some megabytes at a time, so that a large one is never in memory as a whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets.utils import tqdm

from sentiment_hf.data.encodings import decoded, refuse_other_text

# Bytes that are read at a time. Their rows take up to ten times as much memory while they are Python objects.
PIECE = 2**25


@dataclass(frozen=True)
class TextPiece:
    """A piece of a file: whole rows.

    first: the number of its first line. is_last: whether the file ends with it.
    """

    text: str
    first: int
    is_last: bool


def text_pieces(path: Path, end_of_rows: Callable[[bytes], int]) -> Iterator[TextPiece]:
    """Yield the pieces of a file without its byte-order mark; the only one of an empty file is empty.

    end_of_rows: bytes -> the place behind the last row that surely ends in them, 0 if none does.

    Raises:
        InputError: the file is of another kind, or a line is not UTF-8.
    """
    size = path.stat().st_size
    with path.open("rb") as file, tqdm(total=size, unit="B", unit_scale=True, disable=size < PIECE) as bar:
        bar.set_description(f"Reading {path.name}")
        # As much memory is taken as is asked for.
        at_once = min(PIECE, size)
        data, first = file.read(at_once), 1
        refuse_other_text(path, data)
        while more := file.read(at_once):
            if end := end_of_rows(data):
                yield TextPiece(decoded(path, data[:end], first), first, is_last=False)
                first += lines_in(data[:end])
            data = data[end:] + more
            bar.update(len(more))
        yield TextPiece(decoded(path, data, first), first, is_last=True)


def lines_in(data: bytes) -> int:
    """The number of line ends: LF, CR LF or CR."""
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def behind_last_line(data: bytes) -> int:
    """The place behind the last LF; 0 if there is none."""
    return data.rfind(b"\n") + 1
