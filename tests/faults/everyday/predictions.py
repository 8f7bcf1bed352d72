"""What predict reads and prints: E701 and on."""

from faults.fault import Fault

FAULTS: list[Fault] = []
