"""How the texts of a model are read from a table: reading.json, beside the weights of a finished run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import READING
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.csv_settings import CsvSettings


@dataclass(frozen=True)
class Reading:
    """The columns that a model was trained on, the text between the texts of several columns, and the csv flags.

    extra_column_names: the columns beside the text; `columns_as_text`: whether they stand in front of it.
    csv_delimiter, csv_quote: as `CsvSettings`; None if each file decides, and in folders of older versions.
    redact: whether personal data were replaced (--redact), as the model then expects it of every text.
    """

    text_column_names: list[str]
    text_column_delimiter: str
    csv_delimiter: str | None = None
    csv_quote: str | None = None
    extra_column_names: tuple[str, ...] = ()
    columns_as_text: bool = False
    redact: bool = False

    @classmethod
    def of(cls, names: list[str], data: DataArguments, extra: Sequence[str] = ()) -> Self:
        """What the flags say, with the text columns and the `extra` columns that were found."""
        csv = data.csv
        columns = (tuple(extra), data.columns_as_text)
        return cls(names, data.text_column_delimiter, csv.delimiter, csv.quote, *columns, data.redact)

    def fill(self, data: DataArguments) -> DataArguments:
        """The flags with what they leave open as in training."""
        delimiter, csv = data.text_column_delimiter, self.fill_csv(data.csv)
        return replace(
            data,
            text_column_names=data.text_column_names or ",".join(self.text_column_names),
            text_column_delimiter=self.text_column_delimiter if delimiter == " " else delimiter,
            csv_delimiter=csv.delimiter,
            csv_quote=csv.quote,
            extra_column_names=data.extra_column_names or ",".join(self.extra_column_names) or None,
            columns_as_text=data.columns_as_text or self.columns_as_text,
            redact=data.redact or self.redact,
        )

    def fill_csv(self, settings: CsvSettings) -> CsvSettings:
        """The settings with what they leave open as in training."""
        quote = self.csv_quote if settings.quote is None else settings.quote
        return CsvSettings(settings.delimiter or self.csv_delimiter, quote)

    def save(self, folder: Path) -> None:
        """Write reading.json."""
        saved = asdict(self)
        if not self.extra_column_names:
            # As older versions wrote it.
            del saved["extra_column_names"], saved["columns_as_text"]
        if not self.redact:
            del saved["redact"]
        write_json(folder / READING, saved)

    @classmethod
    def load(cls, file: Path) -> Self | None:
        """The content of reading.json; None without the file. Raises InputError if it is damaged."""
        if not file.is_file():
            return None
        saved = read_json(file, "name the columns by --text_column_names after the file is removed")
        names, delimiter = saved.get("text_column_names"), saved.get("text_column_delimiter")
        csv = {name: value for name, value in saved.items() if name.startswith("csv_") and value is not None}
        extra, as_text = saved.get("extra_column_names", []), saved.get("columns_as_text", False)
        lists = (name for found in (names, extra) for name in (found if isinstance(found, list) else [None]))
        texts = [*lists, delimiter, *csv.values()]
        if not names or not all(isinstance(text, str) for text in texts):
            raise InputError(f"{file} is damaged: expected a list text_column_names and a text text_column_delimiter")
        columns = (tuple(extra), as_text is True)
        return cls(
            names, delimiter, csv.get("csv_delimiter"), csv.get("csv_quote"), *columns, saved.get("redact") is True
        )
