"""The recommendation of a comparison in words, made of its numbers alone."""

import itertools

from sentiment_hf.comparison.statistics.ranking import METHODS
from sentiment_hf.tasks.task import Score, Task

# Costs count as equal if they differ by less than this factor: another load of the machine alone can do that.
SAME_COST = 1.5

# Stands beside the training times of runs that were made beside others.
SIDE_BY_SIDE = "‡"

# A cheaper model is named only if its accuracy is at most this far below.
NEAR = 0.05


def advice(comparison: dict, task: Task) -> list[str]:
    """Two to six sentences: the choice, the best model, cheaper models, the effect of more data, what is uncertain.

    `comparison` is the dictionary of results.py, `task` that of its models, which are sorted by its ranking score.
    Validation alone chooses; scores and tests on the test rows stand beside the choice. Cheaper is by inference where
    that was measured, else by training time.
    """
    ranking = task.ranking
    best, *others = [model for model in comparison["models"] if model["validation"]] or [None]
    if best is None:
        nothing = "No run was scored on validation, so nothing is chosen here."
        return [nothing, *uncertainty(comparison, ranking), *minutes_side_by_side(comparison)]
    if others:
        alike = [model for model in comparison["models"] if model["name"] in comparison["alike_on_validation"]]
        # On few rows the test may not tell even a random guess apart from the best model.
        top = [model for model in alike if behind(model, best, ranking) <= near(best, ranking)]
        kind = known_cost(comparison["models"])
        chosen = cheapest(top, kind)
        sentences = [recommended(comparison, chosen, top, others, kind, ranking)]
        sentences += [first_place(best, comparison, ranking), equals_of_best(best, others, comparison, task)]
        sentences += cheaper_models(comparison, chosen, top, kind, ranking)
    elif comparison["candidates"] == 1:
        sentences = only_model(best, comparison, task)
    else:
        sentences = [first_place(best, comparison, ranking)]
    sentences += [*crossing_curves(comparison["learning_curve"], ranking), *uncertainty(comparison, ranking)]
    return [*sentences, *other_minutes(comparison["models"]), *minutes_side_by_side(comparison)]


def first_place(best: dict, comparison: dict, ranking: Score) -> str:
    """The sentence on the model with the best validation score, with its test score and interval."""
    number = comparison["candidates"]
    end = "highest" if ranking.more_is_better else "lowest"
    many = "settings" if comparison["grid"] else "models"
    on_validation = (
        f"has the {end} {ranking.name} of {number} {many} on validation, {ranking.brief(best['validation']['value'])}"
    )
    score = on_test(best, comparison, ranking)
    return f"{best['name']} {on_validation}, which flatters the best of {number}; on test it has {score}."


def on_test(model: dict, comparison: dict, ranking: Score) -> str:
    """91.5% of 25,000 test rows right (95 % interval 91.1% to 91.9%)"""
    return ranking.said(model[ranking.key], comparison["rows"]["test"])


def only_model(model: dict, comparison: dict, task: Task) -> list[str]:
    """The sentences on a model that stands alone: its score, and what its task remarks on it."""
    first, *remarks = task.remarks(model)
    score = f"{model['name']} has {on_test(model, comparison, task.ranking)}; {first}"
    return [score, *remarks, "Whether that is good, a comparison with a cheaper and a larger model tells."]


def equals_of_best(best: dict, others: list[dict], comparison: dict, task: Task) -> str:
    """The sentence on the models that the tests on the test rows tell apart from the best one, or not."""
    pairs = {model["name"]: pair_of(comparison, best["name"], model["name"]) for model in others}
    ahead = {name: -task.ranking.rank(signed_difference(pair, best["name"])) for name, pair in pairs.items()}
    alike = [name for name, pair in pairs.items() if not pair["differs"]]
    worse = [name for name, pair in pairs.items() if pair["differs"] and ahead[name] < 0]
    methods = any(pair["claim"] == METHODS for pair in pairs.values())
    test = "over seeds and rows" if methods else f"by {task.duel_name} of the trained models"
    said = [f"is behind {listed(worse, 'and')}"] if worse else []
    if alike:
        names = "any of the others" if len(alike) == len(others) > 1 else listed(alike, "or")
        said.append(f"cannot be told apart from {names}")
    if rest := [name for name in pairs if name not in (*alike, *worse)]:
        names = "each of the others" if len(rest) == len(others) > 1 else listed(rest, "and")
        said.append(f"is better than {names if len(rest) < 3 or not said else 'all others'}")
    return f"There it {listed(said, 'and')} {test} (5 %, Holm's correction)."


def pair_of(comparison: dict, a: str, b: str) -> dict:
    """The entry of `pairs` with the tests between models `a` and `b`, in either order."""
    return next(pair for pair in comparison["pairs"] if {pair["a"], pair["b"]} == {a, b})


def signed_difference(pair: dict, first: str) -> float:
    """The difference on test of the model `first` of a pair minus the other one."""
    return pair["difference"] if pair["a"] == first else -pair["difference"]


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
    unlike = steps_only(models) or any("side_by_side" in model for model in models)
    kinds = ("inference",) if unlike else ("inference", "train_minutes")
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


def minutes_side_by_side(comparison: dict) -> list[str]:
    """The sentence on the mark of models and settings that were made beside others."""
    if not any("side_by_side" in model for model in (*comparison["models"], *comparison["settings"])):
        return []
    return [
        f"Runs with the mark {SIDE_BY_SIDE} were made side by side, which slows each of them down, so their training "
        "times are not compared."
    ]


def cheapest(models: list[dict], kind: str | None) -> dict:
    """The best by validation of the models that cost about the least; the first model if no other is cheaper.

    models: the best one first.
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


def recommended(
    comparison: dict, chosen: dict, top: list[dict], others: list[dict], kind: str | None, ranking: Score
) -> str:
    """The sentence on the model to take, with the reason; validation cannot tell the models of `top` apart."""
    if chosen is not top[0]:
        distance = ranking.distance(behind(chosen, top[0], ranking))
        below = f"{distance} {behind_word(ranking)} {top[0]['name']} on validation"
        return (
            f"Take {chosen['name']}: it {saving(chosen, top[0], kind)}, and that it is {below} may be chance; on test "
            f"it is {place_on_test(comparison, chosen, top[0], ranking)}."
        )
    if kind is None:
        return f"Take {chosen['name']}: not all costs are known, so only {ranking.name} speaks."
    if any(saving(model, chosen, kind) for model in others):
        return f"Take {chosen['name']}, unless cost matters more than the difference{'s' if len(others) > 1 else ''}."
    return f"Take {chosen['name']}: nothing here is much cheaper."


def behind(worse: dict, better: dict, ranking: Score) -> float:
    """How far the validation score of the first model is behind that of the second; negative if it is ahead."""
    return ranking.rank(worse["validation"]["value"]) - ranking.rank(better["validation"]["value"])


def near(best: dict, ranking: Score) -> float:
    """How far a cheaper model may be behind the best one to be named; of errors, in proportion."""
    bounded = ranking.share or ranking.more_is_better
    return NEAR if bounded else NEAR * abs(best["validation"]["value"])


def behind_word(ranking: Score) -> str:
    """The word between a distance and the better model: a larger error is not "below"."""
    return "below" if ranking.more_is_better else "behind"


def place_on_test(comparison: dict, model: dict, other: dict, ranking: Score) -> str:
    """Where a model stands beside another one on test: 0.7 points below custom-gru (p = 0.021)"""
    pair = pair_of(comparison, model["name"], other["name"])
    difference, p = signed_difference(pair, model["name"]), pair["p_holm"]
    ahead = "above" if ranking.more_is_better else "ahead of"
    place = ahead if ranking.rank(difference) < 0 else behind_word(ranking)
    return f"{ranking.distance(difference)} {place} {other['name']} ({'p < 0.001' if p < 0.001 else f'p = {p:.3f}'})"


def cheaper_models(comparison: dict, chosen: dict, top: list[dict], kind: str | None, ranking: Score) -> list[str]:
    """The sentence on the best and the cheapest model below `top` that cost less: points lost on test, cost saved."""
    known = [model for model in comparison["models"] if model["validation"] and model not in top]
    close = [m for m in known if saving(m, chosen, kind) and behind(m, chosen, ranking) <= near(chosen, ranking)]
    named = close[:1]
    if close and saving(cheapest(close, kind), named[0], kind):
        named.append(cheapest(close, kind))
    clauses = [
        f"{model['name']} is {place_on_test(comparison, model, chosen, ranking)} and {saving(model, chosen, kind)}"
        for model in named
    ]
    return [f"For less, {'; '.join(clauses)}."] if clauses else []


def crossing_curves(curves: list[dict], ranking: Score) -> list[str]:
    """The sentence on the sizes of train between which the best pretrained and the best other model change places."""
    by_kind = [[c for c in curves if c["kind"] in kinds] for kinds in (("pretrained",), ("scratch", "baseline"))]
    if not all(by_kind):
        return []
    a, b = (min(found, key=lambda curve: rank_on_validation(curve, ranking)) for found in by_kind)
    of_a, of_b = ({point["train_rows"]: point[ranking.key] for point in curve["points"]} for curve in (a, b))
    sizes = sorted(of_a.keys() & of_b.keys())
    if len(sizes) < 2:
        return []
    ranks = [[ranking.rank(known[size]["value"]) for known in (of_a, of_b)] for size in sizes]
    leaders = [a["name"] if of_first < of_second else b["name"] for of_first, of_second in ranks]
    first, last = (
        f"{size:,} training rows ({gap(of_a[size], of_b[size], ranking)})" for size in (sizes[0], sizes[-1])
    )
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


def rank_on_validation(curve: dict, ranking: Score) -> tuple:
    """A sort key: the better the validation score of a curve on its most rows, the smaller the key."""
    score = curve["points"][-1]["validation"]
    return (score is None, 0 if score is None else ranking.rank(score))


def gap(a: dict, b: dict, ranking: Score) -> str:
    """The difference of two scores, and whether their intervals overlap, in words."""
    overlap = a["low"] <= b["high"] and b["low"] <= a["high"]
    return f"{ranking.distance(a['value'] - b['value'])}{', within the intervals' if overlap else ''}"


def uncertainty(comparison: dict, ranking: Score) -> list[str]:
    """The sentence on what stays uncertain: the effect of seeds, and differences too small for so many test rows."""
    trained = [model for model in comparison["models"] if model["kind"] != "baseline"]
    single = [model["name"] for model in trained if model["single_seed"]]
    clauses = []
    if single:
        names = "each model" if len(single) == len(trained) > 2 else listed(single, "and")
        clauses.append(f"only one seed was run of {names}, so this is about the trained models and not the methods")
    if absent := [model["name"] for model in comparison["models"] if not model["validation"]]:
        clauses.append(f"{listed(absent, 'and')} {'was' if len(absent) == 1 else 'were'} not scored on validation")
    noise = [abs(pair["difference"]) for pair in comparison["pairs"] if not pair["differs"]]
    if noise:
        rows = comparison["rows"]["test"]
        clauses.append(f"on {rows:,} test rows a difference of {ranking.distance(max(noise))} was still within noise")
    text = "; ".join(clauses)
    return [f"{text[0].upper()}{text[1:]}."] if text else []
