"""`CsvSettings`: the delimiter and the quote of csv files, as far as the user has set them."""

from dataclasses import dataclass
from typing import Self

from sentiment_hf.common.errors import InputError

DELIMITER_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
QUOTE_WORDS = {"none": "", "double": '"', "single": "'"}


@dataclass(frozen=True)
class CsvSettings:
    """What holds for all csv files of a command; each file decides what is None.

    delimiter: one character. quote: one character, or empty if quotation marks belong to the texts.
    """

    delimiter: str | None = None
    quote: str | None = None

    @classmethod
    def parse(cls, delimiter: str | None, quote: str | None) -> Self:
        """From the values of --csv_delimiter and --csv_quote: a character or a word. Raises InputError for others."""
        if delimiter is not None:
            delimiter = DELIMITER_WORDS.get(delimiter.lower(), delimiter)
            if len(delimiter) != 1 or delimiter in '\r\n"':
                raise InputError(
                    f"--csv_delimiter {delimiter!r:.40}: expected one character, or tab, comma, semicolon or pipe"
                )
        if quote is not None:
            quote = QUOTE_WORDS.get(quote.lower(), quote)
            if len(quote) > 1 or quote in ("\r", "\n") or (quote and quote == delimiter):
                raise InputError(
                    f"--csv_quote {quote!r:.40}: expected one character other than the delimiter, or none, double or "
                    "single"
                )
        return cls(delimiter, quote)
