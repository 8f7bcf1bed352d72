"""What a teacher says counts as its docstring says, for every task, and for one batch as for many small ones."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tasks.test_every_task import EVERY, rows

from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.settings.arguments import RunArguments
from sentiment_hf.training.teaching import LABELLED, TAUGHT, Lesson, training_texts

COUNT = 23


@pytest.fixture(params=EVERY)
def task(request):
    return EVERY[request.param]


def parts(task) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, labels, what the teacher says of the texts behind the ninth, and which have a label: the first 15."""
    logits, labels = (torch.from_numpy(part) for part in rows(task, COUNT))
    taught = (logits + torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))).float()
    taught[:9] = torch.nan
    return logits.double().requires_grad_(), labels, taught, torch.arange(COUNT) < 15


def loss_of(task, logits, labels, taught, labelled, items=None) -> torch.Tensor:
    run = RunArguments()
    of_labels = task.shaped_by(run).loss(labels.numpy(), run, 0.0)
    batch = {"input_ids": None, TAUGHT: taught, LABELLED: labelled}
    lesson = Lesson.taken_from(batch)
    assert list(batch) == ["input_ids"]
    return lesson.loss(of_labels, task)(SimpleNamespace(logits=logits), labels, items)


def test_small_batches_add_up_to_the_loss_and_gradient_of_the_big_one(task):
    given = parts(task)
    big = loss_of(task, *given)
    items = given[1].numel()
    small = sum(loss_of(task, *batch, items) for batch in zip(*(part.split(4) for part in given), strict=True))
    gradients = [torch.autograd.grad(value, given[0], retain_graph=True)[0] for value in (big, small)]
    assert small.item() == pytest.approx(big.item(), rel=1e-6)
    torch.testing.assert_close(*gradients)


def test_a_text_without_a_label_is_taught_by_the_teacher_alone(task):
    logits, labels, taught, labelled = parts(task)
    other = labels.clone()
    other[15:] = labels[:8]
    assert loss_of(task, logits, labels, taught, labelled) == loss_of(task, logits, other, taught, labelled)
    # Who says what the teacher says has no error on it.
    unlabelled = torch.zeros(COUNT, dtype=torch.bool)
    assert loss_of(task, taught[9:].double(), labels[9:], taught[9:], unlabelled[9:]).item() == pytest.approx(0)


def test_where_the_teacher_is_silent_the_loss_is_that_of_the_labels(task):
    logits, labels, taught, labelled = parts(task)
    run = RunArguments()
    of_labels = task.shaped_by(run).loss(labels.numpy(), run, 0.0)
    alone = of_labels(SimpleNamespace(logits=logits[:9]), labels[:9])
    assert loss_of(task, logits[:9], labels[:9], taught[:9], labelled[:9]).item() == pytest.approx(alone.item())


@pytest.mark.parametrize("name", ["single_label", "ordinal"])
def test_what_all_logits_have_in_common_is_no_error(name):
    logits, labels, taught, labelled = parts(EVERY[name])
    both = [loss_of(EVERY[name], logits, labels, shifted, labelled).item() for shifted in (taught, taught + 5)]
    assert both[0] == pytest.approx(both[1])


def test_texts_without_labels_stand_behind_train_with_the_decisions_of_the_teacher(task):
    logits, labels = rows(task, 6)
    train, alone = LabelledTexts.of(["a", "b"], labels[:2]), LabelledTexts.of(["c", "d", "e", "f"], labels[2:] * 0)
    splits = SimpleNamespace(train=train, unlabelled=alone, task=task, lessons={"unlabelled": logits[2:]})
    texts, columns = training_texts(splits)
    assert texts.texts == list("abcdef")
    assert np.array_equal(texts.labels[:2], labels[:2])
    assert np.allclose(texts.labels[2:], task.decide(task.probabilities(logits[2:])))
    assert np.isnan(columns[TAUGHT][:2]).all()
    assert np.array_equal(columns[TAUGHT][2:], logits[2:])
    assert columns[LABELLED].tolist() == [True] * 2 + [False] * 4
    splits.lessons, splits.unlabelled = {}, None
    assert training_texts(splits) == (train, {})
