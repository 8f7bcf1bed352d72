"""Settings and resuming: E601 and on."""

from faults.fault import Fault

FAULTS: list[Fault] = []
