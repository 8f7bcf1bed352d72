"""Groups of runs that are seeds of one model, the order of these models, and their names."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.finished import Run
from sentiment_hf.runs.method import method_of, name_without_seed
from sentiment_hf.tasks.task import Score, Task


@dataclass(frozen=True, eq=False)
class Model:
    """A model: its runs on the same training rows, sorted by seed. Whatever is chosen here is chosen by validation."""

    name: str
    runs: list[Run]

    @property
    def task(self) -> Task:
        """The task of the runs."""
        return self.runs[0].task

    @cached_property
    def median(self) -> Run:
        """The run with the median validation score; of an even number of runs the worse of the middle two.

        Runs with equal scores, or of which one has none, stand in the order of their seeds.
        """
        scores = [validation_score(run) for run in self.runs]
        known = None not in scores
        ranks = [-self.task.ranking.rank(score) if known else 0 for score in scores]
        worst_first = sorted(range(len(ranks)), key=ranks.__getitem__)
        return self.runs[worst_first[(len(ranks) - 1) // 2]]

    @property
    def score(self) -> float:
        """The mean of the ranking score over the seeds, on test."""
        return float(self.terms(self.task.ranking).mean())

    @property
    def validation(self) -> float | None:
        """The mean of the ranking score over the seeds, on validation; None if a run was not scored there."""
        scores = [validation_score(run) for run in self.runs]
        return None if None in scores else fmean(scores)

    @property
    def has_validation_rows(self) -> bool:
        """Whether the predictions of all runs for the validation rows are kept."""
        return all(run.validation for run in self.runs)

    @property
    def seeds_known(self) -> bool:
        """Whether the runs say how much the seed matters: of two seeds or more, or of a baseline.

        A baseline is the minimum of a convex loss or a count, which is the same for every seed: in results/imdb and
        results/waimai_10k, three seeds of each solver that takes one make the same predictions.
        """
        return len(self.runs) > 1 or self.runs[0].kind == "baseline"

    def terms(self, score: Score, part: str = "test") -> np.ndarray:
        """(seeds, rows) terms of a score on the rows of `part`, "validation" or "test"."""
        return np.stack([score.terms(getattr(run, part)) for run in self.runs])


def validation_score(run: Run) -> float | None:
    """The ranking score of a run on validation, None if it was not scored there.

    It is computed from the predictions, as that of test is; the report is asked only if they were not kept.
    """
    if run.validation:
        return float(run.task.ranking.terms(run.validation).mean())
    return run.report.validation[run.task.ranking.key] if run.report.validation else None


def best_first(models: Sequence[Model]) -> list[Model]:
    """The models sorted by validation score, best first; equal ones by name, those without a score at the end."""

    def place(model: Model) -> tuple:
        score = model.validation
        return (score is None, 0 if score is None else model.task.ranking.rank(score), model.name)

    return sorted(models, key=place)


def group_seeds(runs: Sequence[Run]) -> list[Model]:
    """The models of these runs, in the order of the runs.

    Seeds of one model have the same `method_of` and the same training rows. A run without a seed is an ensemble over
    several seeds and a model of its own.

    Raises:
        InputError: two runs of one model have the same seed.
    """
    alike = defaultdict(list)
    for run in runs:
        alone = run.folder if run.seed is None else None
        alike[method_key(run), run.train_rows, alone].append(run)
    groups = list(alike.values())
    for group in groups:
        require_different_seeds(group)
    groups = [sorted(group, key=lambda run: run.seed) for group in groups]
    return [Model(name, group) for name, group in zip(unique_names(groups), groups, strict=True)]


def method_key(run: Run) -> tuple:
    """The key of a run that all seeds and all points of one learning curve share."""
    return (method_of(run.report, run.folder), *run.settings.items())


def require_different_seeds(group: list[Run]) -> None:
    """Raise InputError if two runs of the group have the same seed."""
    known = {}
    for run in group:
        twin = known.setdefault(run.seed, run)
        if twin is not run:
            raise InputError(
                f"{twin.folder} and {run.folder} are the same model with the same seed, {run.seed}, and the same "
                "settings; leave one out"
            )


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
