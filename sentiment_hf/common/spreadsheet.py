"""Protection of csv files against formula injection in a spreadsheet."""

import re

# The begin of a cell that a spreadsheet reads as a formula (owasp.org, CSV Injection).
FORMULA = re.compile(r"[\s\0\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")


def escape_formula(value: object) -> object:
    """Put an apostrophe, which spreadsheets hide, before text that would be a formula; return other values as is."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value
