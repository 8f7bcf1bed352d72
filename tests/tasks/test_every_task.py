"""What every task promises to training, reports, comparison and inference."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.data.carve import carve
from sentiment_hf.runs.score import scores_of_parts
from sentiment_hf.settings.arguments import RunArguments
from sentiment_hf.settings.checks import METRICS
from sentiment_hf.settings.saved_outputs import TASKS as NAMED
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.ordinal import Ordinal
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.saved import TASKS, task_named
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Predicted

EVERY = {
    "single_label": SingleLabel(("bad", "fair", "very/good")),
    "multi_label": MultiLabel(("food", "price", "waiter"), (0.3, 0.5, 0.61)),
    "regression": Regression(("price",), mean=900.0, scale=45.0),
    "ordinal": Ordinal(("1", "2", "4")),
}
OWN_FLAG = {
    "single_label": {"class_weights": "balanced"},
    "multi_label": {"pos_weight": "balanced"},
    "regression": {"regression_loss": "huber"},
    "ordinal": {"ordinal_head": "classes"},
}


# More classes than a matrix, a card or a line of text can show.
MANY = SingleLabel(tuple(f"class {number}" for number in range(60)))


@pytest.fixture(params=[*EVERY, "many"])
def task(request):
    return EVERY.get(request.param, MANY)


def rows(task, count: int = 211) -> tuple[np.ndarray, np.ndarray]:
    """(count, outputs) logits and labels, which have something to do with each other."""
    chance = np.random.default_rng(0)
    if task.name == "regression":
        labels = np.round(chance.normal(900, 45, count), 2)
        return (labels + chance.normal(0, 20, count))[:, None].astype(np.float32), labels
    logits = chance.normal(size=(count, len(task.labels))).astype(np.float32)
    if task.name == "multi_label":
        return 2 * logits, logits + chance.normal(size=logits.shape) > 0.5
    return 2 * logits, np.where(
        chance.random(count) < 0.7, logits.argmax(1), chance.integers(0, len(task.labels), count)
    )


def predicted_of(task, logits, labels) -> Predicted:
    probabilities = task.probabilities(logits)
    return Predicted(labels, task.decide(probabilities), probabilities.astype(np.float64))


def same(a: Predicted, b: Predicted, close: float = 0.0) -> bool:
    arrays = [(getattr(a, name), getattr(b, name)) for name in ("labels", "predictions", "probabilities")]
    return all(np.allclose(left, right, rtol=close, atol=close) for left, right in arrays)


def test_the_tasks_are_those_that_the_flag_and_the_checkpoints_name():
    assert list(TASKS) == list(NAMED) == list(EVERY)


def test_a_checkpoint_can_be_chosen_by_the_scores_that_some_task_logs():
    logged = {name for task in EVERY.values() for name in (*task.logged(*rows(task)), "loss")}
    assert logged == set(METRICS)
    for task in EVERY.values():
        assert {*task.logged(*rows(task)), "loss"} == set(task.metrics)
        assert {task.chosen_by, task.ranking.key, *task.falling} <= set(task.metrics)


def test_what_is_logged_in_training_is_what_the_report_says(task):
    logits, labels = rows(task)
    assert task.logged(logits, labels).items() <= task.scores(logits, labels).items()


def test_a_language_of_one_row_and_one_of_equal_labels_have_scores_that_json_knows(task):
    logits, labels = rows(task, 30)
    languages = np.array(["en"] * 20 + ["de"] + ["fr"] * 9)
    labels[21:] = labels[21]
    found = scores_of_parts({"test": (logits, labels)}, task, {"test": languages})["test"]["by_language"]
    json.dumps(found, allow_nan=False)
    assert {name: scores["rows"] for name, scores in found.items()} == {"en": 20, "fr": 9, "de": 1}
    assert all(task.summary(scores) and len(task.score_cells(scores)) for scores in found.values())


def test_small_batches_add_up_to_the_loss_and_gradient_of_the_big_one(task):
    logits, labels = (torch.from_numpy(part) for part in rows(task, 23))
    logits = logits.double().requires_grad_()
    for run in (RunArguments(), RunArguments(**OWN_FLAG[task.name])):
        loss = task.shaped_by(run).loss(labels.numpy(), run, 0.2)
        # As `Trainer` counts: all labels of the step.
        count = labels.ne(-100).sum()
        big = loss(SimpleNamespace(logits=logits), labels)
        batches = zip(logits.split(7), labels.split(7), strict=True)
        small = sum(loss(SimpleNamespace(logits=part), own, count) for part, own in batches)
        assert small.item() == pytest.approx(big.item(), rel=1e-6)
        gradients = [torch.autograd.grad(value, logits, retain_graph=True)[0] for value in (big, small)]
        torch.testing.assert_close(*gradients)


def test_without_weights_and_smoothing_the_loss_is_the_one_of_the_evaluation(task):
    logits, labels = rows(task)
    kinds = ("squared", "absolute", "huber") if task.name == "regression" else (None,)
    for kind in kinds:
        run = RunArguments(regression_loss=kind)
        own = task.shaped_by(run)
        trained = own.loss(labels, run, 0.0)(
            SimpleNamespace(logits=torch.from_numpy(logits)), torch.from_numpy(labels)
        )
        assert own.evaluation_loss(logits, labels) == pytest.approx(trained.item(), rel=1e-5)


def test_a_flag_for_another_task_is_refused_by_what_it_is_for(task):
    for name, flag in OWN_FLAG.items():
        # Classes with an order can have weights, too.
        if name == task.name or (name, task.name) == ("single_label", "ordinal"):
            task.shaped_by(RunArguments(**flag))
            continue
        with pytest.raises(InputError, match=rf"--{next(iter(flag))} .* is for --task {name}"):
            task.shaped_by(RunArguments(**flag))


def test_a_predictions_file_is_read_back(task, tmp_path):
    logits, labels = rows(task)
    pq.write_table(pa.table(task.columns(logits, labels)), tmp_path / "predictions.parquet")
    table = pq.read_table(tmp_path / "predictions.parquet")
    assert same(task.predicted(table), predicted_of(task, logits, labels), 1e-3)
    assert (task.predicted(table).predictions == predicted_of(task, logits, labels).predictions).all()
    with pytest.raises(KeyError, match="prediction"):
        task.predicted(table.drop(["prediction"]))


def test_published_predictions_are_the_same_predictions(task):
    logits, labels = rows(task)
    known = task.predicted(pa.table(task.columns(logits, labels)))
    found = task.from_logs(task.to_logs(known), task.as_text(known.labels))
    assert same(found, known)
    assert (task.to_logs(found) == task.to_logs(known)).all()


def test_another_order_of_the_labels_changes_no_row(task):
    order = task.labels[::-1]
    logits, labels = rows(task)
    before = predicted_of(task, logits, labels)
    other, after = task.in_order(order), task.predicted_in(order, before)
    assert other.as_text(after.labels) == task.as_text(before.labels)
    assert other.as_text(after.predictions) == task.as_text(before.predictions)
    assert (task.labels_in(order, labels) == after.labels).all()
    assert (other.decide(after.probabilities) == after.predictions).all()
    assert same(other.predicted_in(task.labels, after), before)
    for score, again in zip(task.compared, other.compared, strict=True):
        assert score.terms(before).mean() == pytest.approx(again.terms(after).mean()), score.key


def test_what_is_saved_of_a_task_makes_it_again(task):
    again = task_named(task.name, task.labels, task.settings, None)
    assert again == task
    assert again.settings == task.settings
    assert task.as_saved(task.settings).settings == task.settings


def test_the_score_that_ranks_is_compared_first_and_said_of_every_part_of_a_report(task):
    logits, labels = rows(task)
    scores = task.scores(logits, labels)
    assert task.compared[0].key == task.ranking.key
    predicted = predicted_of(task, logits, labels)
    for score in task.compared:
        assert score.terms(predicted).shape == (len(labels),)
        if score.key in scores:
            assert scores[score.key] == pytest.approx(score.terms(predicted).mean()), score.key
    assert scores.keys() >= {task.ranking.key, "loss", "rows", *(key for key, _ in task.hub_scores)}


def test_a_better_model_ranks_before_a_worse_one(task):
    logits, labels = rows(task)
    best = labels[:, None].astype(float) if task.name == "regression" else None
    if best is None:
        best = np.where(labels, 9.0, -9.0) if task.name == "multi_label" else 9 * np.eye(len(task.labels))[labels]
    better = predicted_of(task, (logits + 3 * best) / 4, labels)
    for score in task.compared:
        values = [score.terms(one).mean() for one in (better, predicted_of(task, logits, labels))]
        assert score.rank(values[0]) < score.rank(values[1]) or score.key == "calibration_error"


def test_terms_know_how_a_score_varies_with_the_rows(task):
    """The spread of a score over samples of rows is that of the mean of its terms: held against the bootstrap."""
    predicted, chance = predicted_of(task, *rows(task, 400)), np.random.default_rng(1)
    for score in task.compared:
        if score.key == "calibration_error":
            continue
        values = []
        for _ in range(400):
            drawn = chance.integers(0, 400, 400)
            parts = (getattr(predicted, name)[drawn] for name in ("labels", "predictions", "probabilities"))
            values.append(score.terms(Predicted(*parts)).mean())
        expected = score.terms(predicted).std() / np.sqrt(400)
        assert np.std(values) == pytest.approx(expected, rel=0.2), score.key


def test_a_card_has_a_cell_under_every_heading(task):
    scores = task.scores(*rows(task))
    assert len(task.score_cells(scores)) == len(task.score_header)
    for details in task.details(scores):
        assert {len(line) for line in details.lines} == {len(details.header)}
    assert f"{scores['rows']:,} rows" in task.summary(scores)


def test_the_decision_of_a_card_is_that_of_the_task(task):
    logits, _ = rows(task, 1)
    found = eval(task.decision, {"logits": torch.from_numpy(logits), "labels": list(task.labels)})
    (expected,) = task.as_text(task.decide(task.probabilities(logits)))
    if task.name == "regression":
        assert found == pytest.approx(float(expected))
    else:
        assert ("|".join(found) if isinstance(found, list) else found) == expected


def test_the_answers_of_predict_have_the_columns_that_were_promised(task):
    probabilities = task.probabilities(rows(task, 5)[0])
    columns = task.answer_columns(probabilities)
    assert list(columns) == list(task.answers)
    for name, kind in task.answers.items():
        assert {type(cell) for cell in columns[name]} == {kind}
    assert len(task.shown(probabilities)) == len(task.as_objects(probabilities)) == 5


def test_a_vote_of_one_is_its_own_prediction(task):
    probabilities = task.probabilities(rows(task)[0])
    chosen = task.decide(probabilities)
    if task.votes:
        usual = task.as_saved({})
        assert (usual.decide((task.certain(chosen) + probabilities) / 2) == chosen).all()


def test_a_better_member_weighs_more_in_a_mean(task):
    logits, labels = rows(task)
    noise = np.random.default_rng(2).normal(size=logits.shape) * logits.std() * 2
    members = [predicted_of(task, found, labels) for found in (logits, logits + noise)]
    weights = task.pool_weights(members, np.ones(len(labels), bool))
    assert weights[0] > 0.6 * weights.sum()


def test_a_duel_is_between_the_same_rows_and_turns_around(task):
    logits, labels = rows(task, 1000)
    noise = np.random.default_rng(2).normal(size=logits.shape) * logits.std()
    a, b = (predicted_of(task, found, labels) for found in (logits, logits + noise))
    only_a, only_b, p = task.duel(a, b)
    assert only_a > only_b
    assert p < 0.05
    assert task.duel(b, a) == (only_b, only_a, pytest.approx(p))
    assert task.duel(a, a) == (0, 0, 1.0)


def test_a_part_taken_at_random_keeps_the_shares_of_the_labels(task):
    _, labels = rows(task, 1000)
    part = LabelledTexts.of([str(number) for number in range(1000)], labels)
    rest, taken = carve(part, 200, 0, "test", needs_all=True, groups=None, task=task)
    assert (len(rest), len(taken)) == (800, 200)
    shares = [np.bincount(task.strata(one), minlength=10) / len(one) for one in (labels, taken.labels)]
    if task.name == "regression":
        assert np.quantile(taken.labels, [0.1, 0.5, 0.9]) == pytest.approx(
            np.quantile(labels, [0.1, 0.5, 0.9]), rel=0.02
        )
    else:
        assert shares[1] == pytest.approx(shares[0], abs=0.01)


def test_two_labels_that_differ_change_the_hash_of_the_data(task):
    from sentiment_hf.common.labelled_texts import framed

    _, labels = rows(task, 5)
    other = labels.copy()
    other[3] = ~other[3] if task.name == "multi_label" else (other[3] + 1) % 3 if task.name != "regression" else 0.1
    texts = list("abcde")
    found = {b"".join(bytes(part) for part in framed(LabelledTexts.of(texts, one))) for one in (labels, other)}
    assert len(found) == 2
