"""Delimiters, quotes, encodings and JSON of a single file: E101 and on."""

from faults.fault import Fault

FAULTS: list[Fault] = []
