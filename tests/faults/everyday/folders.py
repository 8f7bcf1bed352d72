"""Folders of data, their parts, and data sets of the Hub: E201 and on."""

from faults.fault import Fault

FAULTS: list[Fault] = []
