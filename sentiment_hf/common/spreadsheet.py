"""Cells of csv files that people open in a spreadsheet."""

import re

# How a cell begins that a spreadsheet takes for a formula (owasp.org, CSV Injection).
FORMULA = re.compile(r"[\s\0\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")


def cell(value: object) -> object:
    """Text that would be a formula gets an apostrophe in front, which spreadsheets hide; a number is no text."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value
