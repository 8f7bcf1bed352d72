"""Measurements that take turns, and the table of plain data that they become."""

from collections.abc import Callable
from statistics import median
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Way = TypeVar("Way")


def by_turns(ways: dict[Way, Callable[[], T]], rounds: int) -> dict[Way, list[T]]:
    """What each way returned in each round. In a round each way has one turn, so that a slow minute meets all."""
    found: dict[Way, list[T]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, measure in ways.items():
            found[name].append(measure())
            print(f"  round {number + 1} of {rounds}: {name}", flush=True)
    return found


def table(
    title: str,
    unit: str,
    runs: dict[str, list[float]],
    better: Literal["more", "less"],
    ours: str | None = None,
    facts: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A table as plain data.

    runs: {way: a number in `unit` for each round}. ours: the way that the others are compared with, None for no
    comparison. facts: {way: {column: value}}, further columns.
    """
    return {"title": title, "unit": unit, "runs": runs, "better": better, "ours": ours, "facts": facts or {}}


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, least and most."""
    return median(values), min(values), max(values)


def ratios(of: dict[str, Any], way: str) -> list[float]:
    """For each round of a table, how many times as good ours is as `way`; above 1 it is better."""
    pairs = zip(of["runs"][of["ours"]], of["runs"][way], strict=True)
    return [ours / other if of["better"] == "more" else other / ours for ours, other in pairs]
