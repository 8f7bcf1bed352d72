"""Validation, groups and duplicates: E401 and on."""

from faults.fault import Fault

FAULTS: list[Fault] = []
