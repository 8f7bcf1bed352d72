"""Caches, proxies, notebooks, names and the Hub: E801 and on."""

from faults.fault import Fault

FAULTS: list[Fault] = []
