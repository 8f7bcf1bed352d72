"""Paired tests of all pairs of models, groups of models that cannot be told apart, and Pareto fronts of the costs."""

import itertools

import numpy as np

from sentiment_hf.comparison.statistics.measures import LEVEL, alike, f1_difference, holm, mcnemar, pareto
from sentiment_hf.comparison.statistics.seeds import Model
from sentiment_hf.tasks.task import Score


def compare_pairs(models: list[Model]) -> list[dict]:
    """The tests of every pair of models, the more accurate one as `a`.

    The tests are between the median seeds. A pair differs only if the median seed of `a` is also the better one.
    """
    pairs = []
    for a, b in itertools.combinations(models, 2):
        labels, of_a, of_b = a.median.labels, a.median.predictions, b.median.predictions
        only_a, only_b, p = mcnemar(*(a.task.right(labels, predictions) for predictions in (of_a, of_b)))
        f1, f1_p = f1_difference(labels, of_a, of_b, len(a.median.classes))
        difference = a.score - b.score
        pairs.append({"a": a.name, "b": b.name, "difference": float(difference), "only_a": only_a, "only_b": only_b})
        pairs[-1] |= {"p": p, "f1_difference": f1, "f1_p": f1_p}
    adjusted, f1_adjusted = (holm(np.array([pair[name] for pair in pairs])) for name in ("p", "f1_p"))
    for pair, p_holm, f1_p_holm in zip(pairs, adjusted.tolist(), f1_adjusted.tolist(), strict=True):
        differs = p_holm < LEVEL and pair["only_a"] > pair["only_b"]
        pair |= {"p_holm": p_holm, "differs": differs, "f1_p_holm": f1_p_holm}
    return pairs


def alike_names(models: list[Model], pairs: list[dict]) -> list[list[str]]:
    """Names of the models by group of neighbours in the ranking that cannot be told apart."""
    names = [model.name for model in models]
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
    """Minutes of training by name. If some models have those of the whole run, those of steps only are None."""
    whole = {model["name"] for model in described if "seconds_by_station" in model}
    return {
        model["name"]: model["train_minutes"] if not whole or model["name"] in whole else None for model in described
    }


def pareto_front(described: list[dict], known: dict[str, float], ranking: Score) -> list[str]:
    """Names of the models on the Pareto front of the ranking score and the `known` cost of each model."""
    kept = pareto(
        np.array([known[model["name"]] for model in described]),
        np.array([-ranking.rank(model[ranking.key]["value"]) for model in described]),
    )
    return [model["name"] for model, keep in zip(described, kept, strict=True) if keep]
