"""Groups of runs that are seeds of one model, and the names of these models."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.finished import Run
from sentiment_hf.tasks.task import Score, Task

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
    def task(self) -> Task:
        """The task of the runs."""
        return self.runs[0].task

    @property
    def median(self) -> Run:
        """The run with the median ranking score; of an even number of runs the worse of the middle two."""
        ranking = self.task.ranking
        worst_first = sorted(self.runs, key=lambda run: -ranking.rank(run.report.test[ranking.key]))
        return worst_first[(len(worst_first) - 1) // 2]

    @property
    def score(self) -> float:
        """The mean of the ranking score over the seeds."""
        return float(self.terms(self.task.ranking).mean())

    def terms(self, score: Score) -> np.ndarray:
        """(seeds, rows) terms of a score on the test rows."""
        return np.stack([score.terms(run.test) for run in self.runs])


def best_first(models: Sequence[Model]) -> list[Model]:
    """The models sorted by ranking score, best first; equal ones by name."""
    return sorted(models, key=lambda model: (model.task.ranking.rank(model.score), model.name))


def recipe_key(run: Run) -> tuple:
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
        alone = run.folder if run.seed is None else name_without_seed(run.folder)
        alike[recipe_key(run), run.train_rows, tuple(getattr(run.report, name) for name in SIZES), alone].append(run)
    groups = list(alike.values())
    for group in groups:
        require_different_seeds(group)
    groups = [sorted(group, key=lambda run: run.seed) for group in groups]
    return [Model(name, group) for name, group in zip(unique_names(groups), groups, strict=True)]


def require_different_seeds(group: list[Run]) -> None:
    """Raise InputError if two runs of the group have the same seed."""
    known = {}
    for run in group:
        twin = known.setdefault(run.seed, run)
        if twin is not run:
            raise InputError(
                f"{twin.folder} and {run.folder} are the same model with the same seed, {run.seed}; leave one out, or "
                "give their folders names that say what differs"
            )


def name_without_seed(folder: Path) -> str:
    """The name of a folder without its seed: custom-lstm for custom-lstm-seed1 and for custom-lstm/seed1."""
    name = SEED.sub("", folder.resolve().name)
    return name or folder.resolve().parent.name


def unique_names(groups: list[list[Run]]) -> list[str]:
    """A name for each group: its folder without the seed, with the parent folder or a number to make it unique."""
    names = [name_without_seed(group[0].folder) for group in groups]
    parents = [group[0].folder.resolve().parent.name for group in groups]
    names = [
        f"{parent}/{name}" if names.count(name) > 1 else name for name, parent in zip(names, parents, strict=True)
    ]
    return [
        f"{name} ({names[:index].count(name) + 1})" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]
