"""The recommendation is plain, follows from the numbers, and says no more than they do."""

import itertools

import pytest

from sentiment_hf.comparison.statistics.advice import advice as advice_by
from sentiment_hf.tasks.single_label import SingleLabel


def advice(compared: dict) -> list[str]:
    """For models that are ranked by accuracy."""
    return advice_by(compared, SingleLabel(tuple(compared.get("labels", ("no", "yes")))))


def around(value: float) -> dict:
    return {"value": value, "low": value - 0.004, "high": value + 0.004}


def model(name: str, accuracy: float, minutes: float | None = 10, speed: float | None = None, **more) -> dict:
    inference = None if speed is None else {"texts_per_second_one_core": speed}
    facts = {"name": name, "kind": "scratch", "accuracy": around(accuracy), "single_seed": False}
    facts["validation"] = around(accuracy)
    return facts | {"train_minutes": minutes, "inference": inference} | more


def comparison(*models: dict, alike: tuple[str, ...] = (), curves: tuple = ()) -> dict:
    """Models by accuracy; those named in `alike` cannot be told apart, p of all others is 0.0001."""
    pairs = []
    for a, b in itertools.combinations(models, 2):
        differs = not {a["name"], b["name"]} <= set(alike)
        difference = a["accuracy"]["value"] - b["accuracy"]["value"]
        p = 0.0001 if differs else 0.4
        pairs.append({"a": a["name"], "b": b["name"], "difference": difference, "p_holm": p, "differs": differs})
        pairs[-1]["claim"] = "trained models" if a["single_seed"] or b["single_seed"] else "methods"
    rest = [[found["name"]] for found in models if found["name"] not in alike]
    groups = [list(alike), *rest] if alike else rest
    return {
        "models": list(models),
        "candidates": len(models),
        "grid": None,
        "settings": [],
        "alike_on_validation": list(alike) or [models[0]["name"]],
        "pairs": pairs,
        "groups": groups,
        "rows": {"test": 25000},
        "learning_curve": list(curves),
    }


def curve(name: str, kind: str, *accuracies: float) -> dict:
    sizes = (225, 2250, 22500)
    scored = zip(sizes, accuracies, strict=True)
    points = [{"train_rows": size, "accuracy": around(a), "validation": a} for size, a in scored]
    return {"name": name, "kind": kind, "points": points}


def test_the_question_is_answered_with_loss_p_and_cost_per_text():
    big, small = model("minilm-lora", 0.915, speed=10, kind="pretrained"), model("custom-lstm", 0.894, speed=600)
    said = advice(comparison(big, small))
    assert said == [
        "Take minilm-lora, unless cost matters more than the difference.",
        "minilm-lora has the highest accuracy of 2 models on validation, 91.5%, which flatters the best of 2; on test "
        "it has 91.5% of 25,000 test rows right (95 % interval 91.1% to 91.9%).",
        "There it is better than custom-lstm over seeds and rows (5 %, Holm's correction).",
        "For less, custom-lstm is 2.1 points below minilm-lora (p < 0.001) and is 60 times cheaper per text.",
    ]


def test_of_models_that_cannot_be_told_apart_the_cheapest_is_taken():
    big, small = model("big", 0.905, minutes=75), model("small", 0.901, minutes=12)
    said = advice(comparison(big, small, alike=("big", "small")))
    assert "cannot be told apart from small" in said[2]
    assert said[0] == (
        "Take small: it trains 6.2 times faster (12 minutes against 75 minutes), and that it is 0.4 points below big "
        "on validation may be chance; on test it is 0.4 points below big (p = 0.400)."
    )
    assert said[3] == "On 25,000 test rows a difference of 0.4 points was still within noise."


@pytest.mark.parametrize("speeds", list(itertools.product((6400, 8200, 11400), repeat=3)))
def test_what_is_taken_for_its_cost_is_cheaper_than_the_best(speeds):
    models = [model(name, 0.70 - 0.02 * i, speed=speeds[i]) for i, name in enumerate(("first", "second", "third"))]
    said = advice(comparison(*models, alike=("first", "second", "third")))[0]
    assert "None" not in said
    rivals = {found["name"]: speed for found, speed in zip(models, speeds, strict=True)}
    taken = said.split()[1].rstrip(":,")
    assert taken == "first" or rivals[taken] > 1.5 * rivals["first"]


def test_training_time_decides_where_one_speed_is_missing():
    big, small = model("big", 0.9, minutes=75, speed=1000), model("small", 0.9, minutes=5)
    assert "Take small: it trains 15 times faster" in advice(comparison(big, small, alike=("big", "small")))[0]


def test_training_time_decides_nothing_where_a_run_was_made_beside_others():
    big, small = model("big", 0.9, minutes=75), model("small", 0.9, minutes=5, side_by_side=2)
    said = advice(comparison(big, small, alike=("big", "small")))
    assert said[0] == "Take big: not all costs are known, so only accuracy speaks."
    assert not any("faster" in sentence for sentence in said)
    assert said[-1] == (
        "Runs with the mark ‡ were made side by side, which slows each of them down, so their training times are not "
        "compared."
    )
    alone = comparison(big) | {"settings": [big, small], "candidates": 2, "grid": {"size": [1, 2]}}
    assert advice(alone)[-1] == said[-1]


def test_without_any_cost_only_accuracy_speaks():
    said = advice(comparison(model("a", 0.9, minutes=None), model("b", 0.89, minutes=None), alike=("a", "b")))
    assert said[0] == "Take a: not all costs are known, so only accuracy speaks."
    assert not any("cheaper" in sentence or "faster" in sentence for sentence in said)


def test_all_equal_in_everything():
    models = [model(name, 0.9) for name in "abc"]
    said = advice(comparison(*models, alike=("a", "b", "c")))
    assert "cannot be told apart from any of the others" in said[2]
    assert said[0] == "Take a: nothing here is much cheaper."


def test_a_model_that_guesses_is_no_way_out_when_another_is():
    models = model("big", 0.9, minutes=80), model("small", 0.87, minutes=5), model("majority", 0.5, minutes=0)
    (way_out,) = (sentence for sentence in advice(comparison(*models)) if sentence.startswith("For less"))
    assert "small is 3.0 points below big" in way_out
    assert "majority" not in way_out


def test_a_free_model_needs_no_training():
    models = model("big", 0.9, minutes=80), model("lexicon", 0.88, minutes=0)
    assert "lexicon is 2.0 points below big (p < 0.001) and needs no training." in advice(comparison(*models))[3]


def test_costs_are_of_one_kind_for_all_so_one_that_was_not_measured_makes_it_training_time():
    ensemble = model("ensemble", 0.905, minutes=90, kind="ensemble")
    fast, slow = model("fast", 0.904, minutes=80, speed=900), model("slow", 0.903, minutes=10, speed=100)
    said = advice(comparison(ensemble, fast, slow, alike=("ensemble", "fast", "slow")))
    assert said[0].startswith("Take slow: it trains 9.0 times faster (10 minutes against 90 minutes)")
    assert not any("None" in sentence for sentence in said)


def test_one_model_is_no_choice_and_stands_beside_the_simplest_guess():
    of_classes = {"confusion": [[70, 20, 10], [5, 195, 0], [0, 0, 50]], "single_seed": True}
    said = advice(comparison(model("alone", 0.9, **of_classes)) | {"labels": ["bad", "good", "none"]})
    assert said == [
        "alone has 90.0% of 25,000 test rows right (95 % interval 89.6% to 90.4%); the most frequent class has 57.1%.",
        "Of its classes it finds bad least often, 70.0% of its rows, and takes most of the others for good.",
        "Whether that is good, a comparison with a cheaper and a larger model tells.",
        "Only one seed was run of alone, so this is about the trained models and not the methods.",
    ]


def test_models_with_one_seed_are_named_and_baselines_need_no_more():
    models = [model("big", 0.9, single_seed=True), model("small", 0.88)]
    models.append(model("baseline-majority", 0.5, single_seed=True, kind="baseline"))
    assert "nly one seed was run of big, so" in advice(comparison(*models))[-1]


@pytest.mark.parametrize(
    ("scratch", "said"),
    [
        ((0.6, 0.8, 0.92), "cross between 2,250 and 22,500"),
        ((0.6, 0.7, 0.8), "big is ahead of small from 225 training rows (20.0 points) to 22,500 training rows (10.0"),
        ((0.9, 0.7, 0.95), "cross more than once"),
        ((0.6, 0.8, 0.904), "small at 22,500 training rows (0.4 points, within the intervals)"),
    ],
)
def test_where_the_learning_curves_cross(scratch, said):
    curves = curve("big", "pretrained", 0.8, 0.85, 0.9), curve("small", "scratch", *scratch)
    sentences = advice(comparison(model("big", 0.9), model("small", 0.88), curves=curves))
    assert any(said in sentence for sentence in sentences), sentences
    assert 3 <= len(sentences) <= 6


def test_validation_chooses_and_test_is_shown_beside():
    lucky = model("lucky", 0.95, validation=around(0.88), minutes=1)
    sound = model("sound", 0.90, validation=around(0.91), minutes=80)
    said = advice(comparison(sound, lucky))
    assert said[1].startswith("sound has the highest accuracy of 2 models on validation, 91.0%")
    assert said[2] == "There it is behind lucky over seeds and rows (5 %, Holm's correction)."
    assert said[0].startswith("Take sound")
    assert said[3] == (
        "For less, lucky is 5.0 points above sound (p < 0.001) and trains 80 times faster (1.0 minutes against 80 "
        "minutes)."
    )


def test_the_best_on_test_is_named_by_no_sentence_where_nothing_was_validated():
    said = advice(comparison(model("a", 0.9, validation=None), model("b", 0.8, validation=None)))
    assert said[0] == "No run was scored on validation, so nothing is chosen here."
    assert not any("Take" in sentence for sentence in said)


def test_a_model_without_validation_is_not_chosen_and_that_is_said():
    said = advice(comparison(model("a", 0.8), model("b", 0.7), model("tested", 0.9, validation=None, minutes=1)))
    assert "Take a" in said[0]
    assert not any("tested" in sentence for sentence in said[:-1])
    assert "ested was not scored on validation" in said[-1]


def test_with_one_seed_the_trained_models_are_compared_and_that_is_said():
    said = advice(comparison(model("a", 0.9, single_seed=True), model("b", 0.8)))
    assert (
        said[2]
        == "There it is better than b by the exact McNemar test of the trained models (5 %, Holm's correction)."
    )
    assert "about the trained models and not the methods" in said[-1]


def test_what_is_ahead_alike_and_behind_on_test_are_told_in_one_sentence():
    models = [
        model(name, accuracy, validation=around(0.95 - index / 100))
        for index, (name, accuracy) in enumerate([("a", 0.9), ("b", 0.92), ("c", 0.9), ("d", 0.8), ("e", 0.7)])
    ]
    said = advice(comparison(*models, alike=("a", "c")))[2]
    assert said.startswith("There it is behind b, cannot be told apart from c and is better than d and e over seeds")
