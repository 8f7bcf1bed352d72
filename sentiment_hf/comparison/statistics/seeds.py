"""Groups of runs that are seeds of one model, and the names of these models."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.finished import Run

# Fields of a report that do not depend on the number of training rows. Sizes do: a vocabulary grows with the rows.
RECIPE = ("model", "tuning", "recipe", "embed_with", "max_seq_length", "truncation")
SIZES = ("parameters", "trainable_parameters")
SEED = re.compile(r"(^|[-_.])seed[-_]?\d+", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Model:
    """A model: its runs on the same training rows, sorted by seed."""

    name: str
    runs: list[Run]

    @property
    def median(self) -> Run:
        """The run with the median accuracy; of an even number the lower of the middle two."""
        by_accuracy = sorted(self.runs, key=lambda run: run.report.test["accuracy"])
        return by_accuracy[(len(by_accuracy) - 1) // 2]

    @property
    def accuracy(self) -> float:
        """The mean over the seeds."""
        return float(np.mean([run.predictions == run.labels for run in self.runs]))


def recipe(run: Run) -> tuple:
    """The key of a run that all points of one learning curve share."""
    return (*(getattr(run.report, name) for name in RECIPE), *run.settings.items())


def group_seeds(runs: Sequence[Run]) -> list[Model]:
    """The models of these runs, in the order of the runs.

    Seeds of one model have the same recipe, sizes, training rows and folder name but for -seedN; the name counts
    because a report does not hold every setting. A run without a seed is an ensemble over several seeds and a model
    of its own.

    Raises:
        InputError: two runs of one model have the same seed.
    """
    alike = defaultdict(list)
    for run in runs:
        alone = run.folder if run.seed is None else stem(run.folder)
        alike[recipe(run), run.train_rows, tuple(getattr(run.report, name) for name in SIZES), alone].append(run)
    groups = list(alike.values())
    for group in groups:
        refuse_twin(group)
    groups = [sorted(group, key=lambda run: run.seed) for group in groups]
    return [Model(name, group) for name, group in zip(unique_names(groups), groups, strict=True)]


def refuse_twin(group: list[Run]) -> None:
    """Raise InputError if two runs of the group have the same seed."""
    known = {}
    for run in group:
        twin = known.setdefault(run.seed, run)
        if twin is not run:
            raise InputError(
                f"{twin.folder} and {run.folder} are the same model with the same seed, {run.seed}; leave one out, or "
                "give their folders names that say what differs"
            )


def stem(folder: Path) -> str:
    """The name of a folder without its seed: custom-lstm for custom-lstm-seed1 and for custom-lstm/seed1."""
    name = SEED.sub("", folder.resolve().name)
    return name or folder.resolve().parent.name


def unique_names(groups: list[list[Run]]) -> list[str]:
    """A name for each group: its folder without the seed, with the parent folder or a number to make it unique."""
    names = [stem(group[0].folder) for group in groups]
    parents = [group[0].folder.resolve().parent.name for group in groups]
    names = [
        f"{parent}/{name}" if names.count(name) > 1 else name for name, parent in zip(names, parents, strict=True)
    ]
    return [
        f"{name} ({names[:index].count(name) + 1})" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]
