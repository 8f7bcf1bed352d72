"""Checkpoints of others: E501 and on."""

from faults.fault import Fault

FAULTS: list[Fault] = []
