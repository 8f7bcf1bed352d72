"""How the texts of a model are read from a table: reading.json, beside the weights of a finished run."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import READING


@dataclass(frozen=True)
class Reading:
    """The columns that a model was trained on, and the text between the texts of several columns."""

    text_column_names: list[str]
    text_column_delimiter: str

    def save(self, folder: Path) -> None:
        """Write reading.json."""
        write_json(folder / READING, asdict(self))

    @classmethod
    def load(cls, file: Path) -> Self | None:
        """The content of reading.json; None without the file. Raises InputError if it is damaged."""
        if not file.is_file():
            return None
        saved = read_json(file, "name the columns by --text_column_names after the file is removed")
        names, delimiter = saved.get("text_column_names"), saved.get("text_column_delimiter")
        if not isinstance(names, list) or not names or not all(isinstance(text, str) for text in [*names, delimiter]):
            raise InputError(f"{file} is damaged: expected a list text_column_names and a text text_column_delimiter")
        return cls(names, delimiter)
