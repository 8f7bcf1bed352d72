"""Labels and class names: E301 and on."""

from faults.fault import Fault

FAULTS: list[Fault] = []
