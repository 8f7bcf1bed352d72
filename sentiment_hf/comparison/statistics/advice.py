"""The recommendation of a comparison in words, made of its numbers alone."""

import itertools

from sentiment_hf.tasks.task import Score

# Costs count as equal if they differ by less than this factor: another load of the machine alone can do that.
SAME_COST = 1.5

# A cheaper model is named only if its accuracy is at most this far below.
NEAR = 0.05


def advice(comparison: dict, ranking: Score) -> list[str]:
    """Two to six sentences: the best model, the choice, cheaper models, the effect of more data, what is uncertain.

    `comparison` is the dictionary of results.py, `ranking` the score that its models are sorted by, a fraction. A
    model is called better only where the exact McNemar test with Holm's correction says so. Cheaper is by inference
    where that was measured, else by training time.
    """
    best, *others = comparison["models"]
    sentences = [first_place(best, others, comparison["rows"]["test"], ranking)]
    if others:
        alike = [model for model in comparison["models"] if model["name"] in comparison["groups"][0]]
        # On few rows the test may not tell even a random guess apart from the best model.
        top = [model for model in alike if behind(model, best, ranking) <= NEAR]
        kind = known_cost(comparison["models"])
        chosen = cheapest(top, kind)
        sentences += [equals_of_best(comparison), recommended(chosen, top, others, kind, ranking)]
        sentences += cheaper_models(comparison, chosen, top, kind, ranking)
    else:
        sentences.append("There is nothing to choose between: add a cheaper or a larger model.")
    sentences += [*crossing_curves(comparison["learning_curve"], ranking), *uncertainty(comparison)]
    return [*sentences, *other_minutes(comparison["models"])]


def first_place(best: dict, others: list[dict], rows: int, ranking: Score) -> str:
    """The sentence on the model with the best score, with the interval."""
    value, low, high = (f"{best[ranking.key][name]:.1%}" for name in ("value", "low", "high"))
    end = "highest" if ranking.more_is_better else "lowest"
    place = f"has the {end} {ranking.name} of {len(others) + 1} models" if others else "is the only model"
    return f"{best['name']} {place}: {value} of {rows:,} test rows (95 % interval {low} to {high})."


def equals_of_best(comparison: dict) -> str:
    """The sentence on the models that the tests cannot tell apart from the best one."""
    best, *others = (model["name"] for model in comparison["models"])
    alike = [name for name in others if not pair_of(comparison, best, name)["differs"]]
    test = "by the exact McNemar test (5 %, Holm's correction)"
    if not alike:
        return f"It is better than {'each of the others' if len(others) > 1 else others[0]} {test}."
    names = "any of the others" if len(alike) == len(others) > 1 else listed(alike, "or")
    return f"It cannot be told apart from {names} {test}."


def pair_of(comparison: dict, a: str, b: str) -> dict:
    """The entry of `pairs` with the tests between models `a` and `b`, in either order."""
    return next(pair for pair in comparison["pairs"] if {pair["a"], pair["b"]} == {a, b})


def listed(names: list[str], word: str) -> str:
    """(["a", "b", "c"], "or") -> a, b or c"""
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else names[0]


def cost_of(model: dict, kind: str) -> float | None:
    """Seconds for a text on one core ("inference") or minutes of training ("train_minutes"); None if unknown."""
    if kind == "train_minutes":
        return model["train_minutes"]
    return 1 / model["inference"]["texts_per_second_one_core"] if model["inference"] else None


def known_cost(models: list[dict]) -> str | None:
    """The kind of cost that is known and counted alike for all models, or None; inference first: each text has it."""
    kinds = ("inference", "train_minutes") if not steps_only(models) else ("inference",)
    return next((kind for kind in kinds if all(cost_of(model, kind) is not None for model in models)), None)


def steps_only(models: list[dict]) -> list[str]:
    """Names of the models with the minutes of training steps only, if others have those of the whole run."""
    older = [model["name"] for model in models if "seconds_by_station" not in model]
    return older if len(older) < len(models) else []


def other_minutes(models: list[dict]) -> list[str]:
    """The sentence on the models whose minutes and memory count less, or more, than those of the others."""
    if not (older := steps_only(models)):
        return []
    return [
        f"The runs of {listed(older, 'and')} are of an older version: their minutes are those of training steps only, "
        "their memory that of the whole process, so neither compares with the others'."
    ]


def cheapest(models: list[dict], kind: str | None) -> dict:
    """The most accurate of the models that cost about the least; the first model if no other is cheaper.

    models: the most accurate one first.
    """
    cheaper = [model for model in models if saving(model, models[0], kind)]
    if not cheaper:
        return models[0]
    least = min(cost_of(model, kind) for model in cheaper)
    return next(model for model in cheaper if cost_of(model, kind) <= least * SAME_COST)


def saving(cheap: dict, dear: dict, kind: str | None) -> str | None:
    """How much cheaper the model `cheap` is than `dear`, in words; None if it is not cheaper or a cost is unknown."""
    if kind is None or cost_of(dear, kind) <= SAME_COST * cost_of(cheap, kind):
        return None
    if cost_of(cheap, kind) == 0:
        return "needs no training"
    times = cost_of(dear, kind) / cost_of(cheap, kind)
    times = f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
    if kind == "inference":
        return f"is {times} times cheaper per text"
    return f"trains {times} times faster ({training_time(cheap)} against {training_time(dear)})"


def training_time(model: dict) -> str:
    """The training time of a model, in words."""
    count = model["train_minutes"]
    if count < 1:
        return f"{60 * count:.2g} seconds"
    return f"{count:,.0f} minutes" if count >= 10 else f"{count:.1f} minutes"


def recommended(chosen: dict, top: list[dict], others: list[dict], kind: str | None, ranking: Score) -> str:
    """The sentence on the model to take, with the reason; the tests cannot tell the models of `top` apart."""
    if chosen is not top[0]:
        below = f"{points_behind(chosen, top[0], ranking)} below {top[0]['name']}"
        return f"Take {chosen['name']}: it {saving(chosen, top[0], kind)}, and that it is {below} may be chance."
    if kind is None:
        return f"Take {chosen['name']}: not all costs are known, so only {ranking.name} speaks."
    if any(saving(model, chosen, kind) for model in others):
        return f"Take {chosen['name']}, unless cost matters more than the difference{'s' if len(others) > 1 else ''}."
    return f"Take {chosen['name']}: nothing here is much cheaper."


def behind(worse: dict, better: dict, ranking: Score) -> float:
    """How far the score of the first model is behind that of the second; negative if it is ahead."""
    return ranking.rank(worse[ranking.key]["value"]) - ranking.rank(better[ranking.key]["value"])


def points_behind(worse: dict, better: dict, ranking: Score) -> str:
    """The difference of two scores in percentage points, in words."""
    count = f"{100 * behind(worse, better, ranking):.1f}"
    return f"{count} point{'' if count == '1.0' else 's'}"


def cheaper_models(comparison: dict, chosen: dict, top: list[dict], kind: str | None, ranking: Score) -> list[str]:
    """The sentence on the best and the cheapest model below `top` that cost less: points lost, cost saved."""
    outside = [model for model in comparison["models"] if model not in top and saving(model, chosen, kind)]
    named = outside[:1]
    near = [model for model in outside if behind(model, chosen, ranking) <= NEAR]
    if near and saving(cheapest(near, kind), named[0], kind):
        named.append(cheapest(near, kind))
    clauses = []
    for model in named:
        p = pair_of(comparison, chosen["name"], model["name"])["p_holm"]
        p = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        below = f"{points_behind(model, chosen, ranking)} below {chosen['name']} ({p})"
        clauses.append(f"{model['name']} is {below} and {saving(model, chosen, kind)}")
    return [f"For less, {'; '.join(clauses)}."] if clauses else []


def crossing_curves(curves: list[dict], ranking: Score) -> list[str]:
    """The sentence on the sizes of train between which the best pretrained and the best other model change places."""
    by_kind = [[c for c in curves if c["kind"] in kinds] for kinds in (("pretrained",), ("scratch", "baseline"))]
    if not all(by_kind):
        return []
    a, b = (min(found, key=lambda curve: ranking.rank(curve["points"][-1][ranking.key]["value"])) for found in by_kind)
    of_a, of_b = ({point["train_rows"]: point[ranking.key] for point in curve["points"]} for curve in (a, b))
    sizes = sorted(of_a.keys() & of_b.keys())
    if len(sizes) < 2:
        return []
    ranks = [[ranking.rank(known[size]["value"]) for known in (of_a, of_b)] for size in sizes]
    leaders = [a["name"] if of_first < of_second else b["name"] for of_first, of_second in ranks]
    first, last = (f"{size:,} training rows ({gap(of_a[size], of_b[size])})" for size in (sizes[0], sizes[-1]))
    turns = [index for index, (left, right) in enumerate(itertools.pairwise(leaders)) if left != right]
    if not turns:
        other = b["name"] if leaders[0] == a["name"] else a["name"]
        return [f"{leaders[0]} is ahead of {other} from {first} to {last}: the curves do not cross."]
    if len(turns) > 1:
        return [f"The learning curves of {a['name']} and {b['name']} cross more than once: neither stays ahead."]
    low, high = sizes[turns[0]], sizes[turns[0] + 1]
    return [
        f"{leaders[0]} is ahead at {first}, {leaders[-1]} at {last}: their curves cross between {low:,} and {high:,}."
    ]


def gap(a: dict, b: dict) -> str:
    """The difference of two scores in points, and whether their intervals overlap, in words."""
    overlap = a["low"] <= b["high"] and b["low"] <= a["high"]
    return f"{100 * abs(a['value'] - b['value']):.1f} points{', within the intervals' if overlap else ''}"


def uncertainty(comparison: dict) -> list[str]:
    """The sentence on what stays uncertain: the effect of seeds, and differences too small for so many test rows."""
    trained = [model for model in comparison["models"] if model["kind"] != "baseline"]
    single = [model["name"] for model in trained if model["single_seed"]]
    clauses = []
    if single:
        names = "each model" if len(single) == len(trained) > 2 else listed(single, "and")
        clauses.append(f"only one seed was run of {names}, so what another seed would change is not in the numbers")
    noise = [pair["difference"] for pair in comparison["pairs"] if not pair["differs"]]
    if noise:
        rows = comparison["rows"]["test"]
        clauses.append(f"on {rows:,} test rows a difference of {100 * max(noise):.1f} points was still within noise")
    text = "; ".join(clauses)
    return [f"{text[0].upper()}{text[1:]}."] if text else []
