"""The recommendation of a comparison in words, made of its numbers alone."""

import itertools

# Costs count as equal if they differ by less than this factor: another load of the machine alone can do that.
SAME_COST = 1.5

# A cheaper model is named only if its accuracy is at most this far below.
NEAR = 0.05


def advice(comparison: dict) -> list[str]:
    """Two to six sentences: what is best, what to take, what is cheaper, what more data does, what is uncertain.

    `comparison` is the dictionary of results.py. A model is called better only where the exact McNemar test with
    Holm's correction says so. Cheaper is by inference where that was measured, else by training time.
    """
    best, *others = comparison["models"]
    sentences = [first_place(best, others, comparison["rows"]["test"])]
    if others:
        alike = [model for model in comparison["models"] if model["name"] in comparison["groups"][0]]
        # On few rows the test may not tell even a random guess apart from the best model.
        top = [model for model in alike if best["accuracy"]["value"] - model["accuracy"]["value"] <= NEAR]
        kind = known_cost(comparison["models"])
        chosen = cheapest(top, kind)
        sentences += [standing(comparison), choice(chosen, top, others, kind), *way_out(comparison, chosen, top, kind)]
    else:
        sentences.append("There is nothing to choose between: add a cheaper or a larger model.")
    return [*sentences, *crossing(comparison["learning_curve"]), *uncertainty(comparison)]


def first_place(best: dict, others: list[dict], rows: int) -> str:
    """The highest accuracy, with its interval."""
    value, low, high = (f"{best['accuracy'][name]:.1%}" for name in ("value", "low", "high"))
    place = f"has the highest accuracy of {len(others) + 1} models" if others else "is the only model"
    return f"{best['name']} {place}: {value} of {rows:,} test rows (95 % interval {low} to {high})."


def standing(comparison: dict) -> str:
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


def cost(model: dict, kind: str) -> float | None:
    """Seconds for a text on one core ("inference") or minutes of training ("train_minutes"); None if unknown."""
    if kind == "train_minutes":
        return model["train_minutes"]
    return 1 / model["inference"]["texts_per_second_one_core"] if model["inference"] else None


def known_cost(models: list[dict]) -> str | None:
    """The kind of cost that is known for all models, or None; inference first, since every text costs it."""
    kinds = ("inference", "train_minutes")
    return next((kind for kind in kinds if all(cost(model, kind) is not None for model in models)), None)


def cheapest(models: list[dict], kind: str | None) -> dict:
    """The most accurate of the models that cost about the least; the first model if no other is cheaper.

    models: the most accurate one first.
    """
    cheaper = [model for model in models if saving(model, models[0], kind)]
    if not cheaper:
        return models[0]
    least = min(cost(model, kind) for model in cheaper)
    return next(model for model in cheaper if cost(model, kind) <= least * SAME_COST)


def saving(cheap: dict, dear: dict, kind: str | None) -> str | None:
    """How much cheaper the model `cheap` is than `dear`, in words; None if it is not cheaper or a cost is unknown."""
    if kind is None or cost(dear, kind) <= SAME_COST * cost(cheap, kind):
        return None
    if cost(cheap, kind) == 0:
        return "needs no training"
    times = cost(dear, kind) / cost(cheap, kind)
    times = f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
    if kind == "inference":
        return f"is {times} times cheaper per text"
    return f"trains {times} times faster ({duration(cheap)} against {duration(dear)})"


def duration(model: dict) -> str:
    """The training time of a model, in words."""
    count = model["train_minutes"]
    if count < 1:
        return f"{60 * count:.2g} seconds"
    return f"{count:,.0f} minutes" if count >= 10 else f"{count:.1f} minutes"


def choice(chosen: dict, top: list[dict], others: list[dict], kind: str | None) -> str:
    """The sentence on the model to take, with the reason; the tests cannot tell the models of `top` apart."""
    if chosen is not top[0]:
        below = f"{points(chosen, top[0])} below {top[0]['name']}"
        return f"Take {chosen['name']}: it {saving(chosen, top[0], kind)}, and that it is {below} may be chance."
    if kind is None:
        return f"Take {chosen['name']}: not all costs are known, so only accuracy speaks."
    if any(saving(model, chosen, kind) for model in others):
        return f"Take {chosen['name']}, unless cost matters more than the difference{'s' if len(others) > 1 else ''}."
    return f"Take {chosen['name']}: nothing here is much cheaper."


def points(lower: dict, higher: dict) -> str:
    """The distance in accuracy."""
    count = f"{100 * (higher['accuracy']['value'] - lower['accuracy']['value']):.1f}"
    return f"{count} point{'' if count == '1.0' else 's'}"


def way_out(comparison: dict, chosen: dict, top: list[dict], kind: str | None) -> list[str]:
    """The sentence on the most accurate and the cheapest model below `top` that cost less: points lost, cost saved."""
    outside = [model for model in comparison["models"] if model not in top and saving(model, chosen, kind)]
    named = outside[:1]
    near = [model for model in outside if chosen["accuracy"]["value"] - model["accuracy"]["value"] <= NEAR]
    if near and saving(cheapest(near, kind), named[0], kind):
        named.append(cheapest(near, kind))
    clauses = []
    for model in named:
        p = pair_of(comparison, chosen["name"], model["name"])["p_holm"]
        p = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        below = f"{points(model, chosen)} below {chosen['name']} ({p})"
        clauses.append(f"{model['name']} is {below} and {saving(model, chosen, kind)}")
    return [f"For less, {'; '.join(clauses)}."] if clauses else []


def crossing(curves: list[dict]) -> list[str]:
    """The sentence on the sizes of train between which the best pretrained and the best other model change places."""
    by_kind = [[c for c in curves if c["kind"] in kinds] for kinds in (("pretrained",), ("scratch", "baseline"))]
    if not all(by_kind):
        return []
    a, b = (max(found, key=lambda curve: curve["points"][-1]["accuracy"]["value"]) for found in by_kind)
    of_a, of_b = ({point["train_rows"]: point["accuracy"] for point in curve["points"]} for curve in (a, b))
    sizes = sorted(of_a.keys() & of_b.keys())
    if len(sizes) < 2:
        return []
    leaders = [a["name"] if of_a[size]["value"] > of_b[size]["value"] else b["name"] for size in sizes]
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
    """The distance between two accuracies, and whether their intervals overlap."""
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
