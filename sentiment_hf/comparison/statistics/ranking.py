"""Paired tests of all pairs of models, groups of models that cannot be told apart, and Pareto fronts of the costs."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sentiment_hf.comparison.statistics.measures import LEVEL, alike, holm, pareto
from sentiment_hf.comparison.statistics.methods import SeedSpread, methods_test, shared_spread, shared_test
from sentiment_hf.comparison.statistics.seeds import Model
from sentiment_hf.tasks.task import Predicted, Score, Task

# What a verdict on a pair is about. With one seed nothing is known of what another seed would have given.
METHODS, TRAINED = "methods", "trained models"


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a pair.

    task: of the model.
    terms: (seeds, rows) terms of the ranking score.
    median: the predictions of the median seed.
    known: whether the terms say how much the seed matters; see `Model.seeds_known`.
    """

    task: Task
    terms: np.ndarray
    median: Predicted
    known: bool

    @classmethod
    def of(cls, model: Model, part: str) -> "Side":
        """The side of a model, on the rows of `part`, "validation" or "test"."""
        terms = model.terms(model.task.ranking, part)
        return cls(model.task, terms, getattr(model.median, part), model.seeds_known)


def verdicts(pairs: Sequence[tuple[Side, Side]], shared: SeedSpread) -> list[dict]:
    """What can be said of each pair; all pairs are one family for Holm's correction.

    `claim` is METHODS if the seeds of both sides are known, else TRAINED. `p` of two methods is that of
    `methods_test`, `p` of two trained models that of `Task.duel`. `p_holm` is never below it, and comes of
    `shared_test` for methods. So a pair differs by its own seeds alone, and beyond the chance that there is in so many
    pairs.
    """
    found, raw = [], []
    for a, b in pairs:
        methods = a.known and b.known
        only_a, only_b, exact = a.task.duel(a.median, b.median)
        p = methods_test(a.terms, b.terms) if methods else exact
        raw.append(shared_test(a.terms, b.terms, shared) if methods else exact)
        found.append({"claim": METHODS if methods else TRAINED, "p": p})
        found[-1] |= {"only_a": only_a, "only_b": only_b, f"{a.task.exact}_p": exact}
    for one, p_holm in zip(found, holm(np.array(raw)).tolist(), strict=True):
        one["p_holm"] = max(one["p"], p_holm)
        one["differs"] = one["p_holm"] < LEVEL
    return found


def compare_pairs(models: list[Model]) -> list[dict]:
    """The tests of every pair of models on the test rows; `difference` is that of `a`, which is ranked higher, minus
    `b`.

    The tests of `Task.duel` and of the second score are between the median seeds, so between two trained models.
    """
    task = models[0].task
    second = second_name(task)
    sides = [Side.of(model, "test") for model in models]
    judged = verdicts(list(itertools.combinations(sides, 2)), spread_of(sides))
    pairs = []
    for (a, b), verdict in zip(itertools.combinations(models, 2), judged, strict=True):
        difference, p = task.second_test(a.median.test, b.median.test)
        pairs.append({"a": a.name, "b": b.name, "difference": float(a.score - b.score)} | verdict)
        pairs[-1] |= {f"{second}_difference": difference, f"{second}_p": p}
    for name in (f"{task.exact}_p", f"{second}_p"):
        for pair, p_holm in zip(pairs, holm(np.array([pair[name] for pair in pairs])).tolist(), strict=True):
            pair[f"{name}_holm"] = p_holm
    return pairs


def second_name(task: Task) -> str:
    """What the second score is called in the keys of a pair: f1, mae."""
    return task.second.key.removesuffix("_macro")


def spread_of(sides: Sequence[Side]) -> SeedSpread:
    """The seed variance that the sides with several seeds share."""
    return shared_spread([side.terms for side in sides if len(side.terms) > 1])


def alike_on_validation(models: list[Model]) -> list[str]:
    """Names of the models that cannot be told apart from the first one on the validation rows, the first one included.

    A model without validation predictions is not among them.
    """
    best, *others = (model for model in models if model is models[0] or model.has_validation_rows)
    if not best.has_validation_rows or not others:
        return [best.name]
    first, *sides = (Side.of(model, "validation") for model in (best, *others))
    judged = verdicts([(first, side) for side in sides], spread_of([first, *sides]))
    return [best.name, *(model.name for model, one in zip(others, judged, strict=True) if not one["differs"])]


def alike_names(models: list[Model], pairs: list[dict]) -> list[list[str]]:
    """Names of the models by group that cannot be told apart on test, best test score first."""
    names = [model.name for model in sorted(models, key=lambda model: model.task.ranking.rank(model.score))]
    differs = np.zeros((len(names), len(names)), dtype=bool)
    for pair in pairs:
        a, b = names.index(pair["a"]), names.index(pair["b"])
        differs[a, b] = differs[b, a] = pair["differs"]
    return [[names[index] for index in group] for group in alike(differs)]


def pareto_fronts(described: list[dict], ranking: Score) -> dict[str, list[str]]:
    """Names of the models on the Pareto front of score and each cost: training minutes, time per text on one core."""
    minutes = comparable_minutes(described)
    seconds = {
        model["name"]: 1 / model["inference"]["texts_per_second_one_core"] for model in described if model["inference"]
    }
    return {
        cost: pareto_front([model for model in described if known.get(model["name"]) is not None], known, ranking)
        for cost, known in (("train_minutes", minutes), ("inference", seconds))
    }


def comparable_minutes(described: list[dict]) -> dict[str, float | None]:
    """Minutes of training by name; None of a model that was made beside others.

    If some models have those of the whole run, those of steps only are None.
    """
    some_whole = any("seconds_by_station" in model for model in described)
    return {
        model["name"]: model["train_minutes"]
        if "side_by_side" not in model and ("seconds_by_station" in model or not some_whole)
        else None
        for model in described
    }


def pareto_front(described: list[dict], known: dict[str, float], ranking: Score) -> list[str]:
    """Names of the models on the Pareto front of the ranking score and the `known` cost of each model."""
    kept = pareto(
        np.array([known[model["name"]] for model in described]),
        np.array([-ranking.rank(model[ranking.key]["value"]) for model in described]),
    )
    return [model["name"] for model, keep in zip(described, kept, strict=True) if keep]
