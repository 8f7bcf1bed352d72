"""Which runs are seeds of one model, and what the models are called."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.finished import Run
from sentiment_hf.tasks.task import Score, Task

# What a model is, on however many rows it is trained; a vocabulary, and with it the parameters, grow with them.
RECIPE = ("model", "tuning", "recipe", "embed_with", "max_seq_length", "truncation")
SIZES = ("parameters", "trainable_parameters")
SEED = re.compile(r"(^|[-_.])seed[-_]?\d+", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Model:
    """The seeds of one model on the same training rows, by seed."""

    name: str
    runs: list[Run]

    @property
    def task(self) -> Task:
        """That of the runs."""
        return self.runs[0].task

    @property
    def median(self) -> Run:
        """The run with the median of the score that ranks; of an even number the worse of the middle two."""
        ranking = self.task.ranking
        worst_first = sorted(self.runs, key=lambda run: -ranking.rank(run.report.test[ranking.key]))
        return worst_first[(len(worst_first) - 1) // 2]

    @property
    def score(self) -> float:
        """The score that ranks, the mean over the seeds."""
        return float(self.terms(self.task.ranking).mean())

    def terms(self, score: Score) -> np.ndarray:
        """(seeds, rows) terms of a score on the test rows."""
        return np.stack([score.terms(run.test) for run in self.runs])


def best_first(models: Sequence[Model]) -> list[Model]:
    """Sorted by the score that ranks; equal ones by name."""
    return sorted(models, key=lambda model: (model.task.ranking.rank(model.score), model.name))


def recipe(run: Run) -> tuple:
    """What makes two runs points of one learning curve."""
    return (*(getattr(run.report, name) for name in RECIPE), *run.settings.items())


def group_seeds(runs: Sequence[Run]) -> list[Model]:
    """Runs of the same recipe, size and training rows are seeds of one model, in the order of the runs.

    Their folders have to be called alike but for -seedN, since a report does not say every setting. A run without a
    seed, which is an ensemble of several seeds, is a model of its own.

    Raises:
        InputError: two runs are alike in all of this and in their seed.
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
    """A seed counts once; raises InputError."""
    known = {}
    for run in group:
        twin = known.setdefault(run.seed, run)
        if twin is not run:
            raise InputError(
                f"{twin.folder} and {run.folder} are the same model with the same seed, {run.seed}; leave one out, or "
                "give their folders names that say what differs"
            )


def stem(folder: Path) -> str:
    """custom-lstm of both custom-lstm-seed1 and custom-lstm/seed1."""
    name = SEED.sub("", folder.resolve().name)
    return name or folder.resolve().parent.name


def unique_names(groups: list[list[Run]]) -> list[str]:
    """The folder's name without the seed; where that is not unique, with the folder above it, then with a number."""
    names = [stem(group[0].folder) for group in groups]
    parents = [group[0].folder.resolve().parent.name for group in groups]
    names = [
        f"{parent}/{name}" if names.count(name) > 1 else name for name, parent in zip(names, parents, strict=True)
    ]
    return [
        f"{name} ({names[:index].count(name) + 1})" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]
