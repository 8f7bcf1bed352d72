"""The order of the texts in training: complete, alike in length, the same for the same seed however divided."""

import random

import numpy as np
import pytest
import torch
from accelerate import skip_first_batches
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler, DataLoader

from sentiment_hf.text.encoded import EncodedTexts
from sentiment_hf.text.tokenizers import train_tokenizer
from sentiment_hf.training.batches import BATCHES_PER_POOL, FewLengthsCollator, LengthBucketSampler

LENGTHS = [random.Random(row).randint(1, 300) for row in range(2 * BATCHES_PER_POOL * 8 + 133)]


def order(lengths=LENGTHS, batch_size=8, seed=1, epoch=0) -> list[int]:
    sampler = LengthBucketSampler(lengths, batch_size, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def chunks(indices: list[int], size: int) -> list[list[int]]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


@pytest.mark.parametrize(
    "rows", [1, 3, 7, 8, 9, 16, BATCHES_PER_POOL * 8 - 1, BATCHES_PER_POOL * 8, BATCHES_PER_POOL * 8 + 1, len(LENGTHS)]
)
def test_every_text_comes_once_an_epoch(rows):
    assert sorted(order(LENGTHS[:rows])) == list(range(rows))


def test_the_texts_of_a_batch_are_alike_in_length():
    def padding(indices):
        batches = [[LENGTHS[index] for index in batch] for batch in chunks(indices, 8)]
        return sum(len(batch) * max(batch) for batch in batches) / sum(LENGTHS) - 1

    assert padding(list(range(len(LENGTHS)))) > 0.5
    assert padding(order()) < 0.05


def test_the_batches_come_in_no_order_of_length():
    first, second = (sum(LENGTHS[index] for index in half) for half in (order()[:460], order()[-460:]))
    assert 0.7 < first / second < 1.4


def test_seed_and_epoch_alone_decide_the_order():
    before = torch.random.get_rng_state()
    assert order() == order()
    assert torch.equal(before, torch.random.get_rng_state())
    assert order(epoch=1) == order(epoch=1)
    assert len({tuple(order(seed=seed, epoch=epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_another_epoch_brings_other_texts_together():
    first, second = ({frozenset(batch) for batch in chunks(order(epoch=epoch), 8)} for epoch in (0, 1))
    assert len(first & second) < len(first) / 10


def test_the_smaller_batch_comes_last():
    rows = 2 * BATCHES_PER_POOL * 8 + 3
    *whole, last = chunks(order(LENGTHS[:rows]), 8)
    assert (len(last), {len(batch) for batch in whole}) == (3, {8})


def test_a_step_holds_the_same_texts_in_one_batch_two_processes_and_accumulated():
    steps = [set(step) for step in chunks(order(), 8)]
    accumulated = [list(batch) for batch in BatchSampler(order(), 4, drop_last=False)]
    assert [set(first + second) for first, second in zip(accumulated[::2], accumulated[1::2], strict=False)] == steps[
        : len(accumulated) // 2
    ]
    batches = BatchSampler(order(), 4, drop_last=False)
    shards = [list(BatchSamplerShard(batches, num_processes=2, process_index=rank)) for rank in (0, 1)]
    together = [set(first + second) for first, second in zip(*shards, strict=True)]
    whole = len(LENGTHS) // 8
    assert together[:whole] == steps[:whole]


@pytest.mark.parametrize(("processes", "accumulated"), [(2, 1), (4, 1), (2, 2), (4, 2)])
def test_no_process_waits_long_for_another_and_texts_dealt_out_singly_would_shorten_no_step(processes, accumulated):
    def padded(texts):
        """(steps, accumulated, processes, 4) lengths -> (steps, processes) tokens."""
        return (texts.max(-1) * 4).sum(1)

    whole = len(LENGTHS) // (4 * processes * accumulated) * 4 * processes * accumulated
    batches = BatchSampler(order(batch_size=4 * processes * accumulated)[:whole], 4, drop_last=False)
    shards = [list(BatchSamplerShard(batches, processes, rank)) for rank in range(processes)]
    lengths = np.array(LENGTHS)[np.array(shards)].reshape(processes, -1, accumulated, 4).transpose(1, 2, 0, 3)
    slowest = padded(lengths).max(1)
    assert slowest.sum() < 1.03 * padded(lengths).mean(1).sum()
    together = np.sort(lengths.reshape(len(lengths), accumulated, -1))
    dealt = together.reshape(len(lengths), accumulated, 4, processes).swapaxes(2, 3)
    assert (padded(dealt).max(1) == slowest).all()
    assert padded(dealt).sum() > padded(lengths).sum()


def test_an_epoch_that_is_entered_in_the_middle_goes_on_where_it_was_left():
    sampler = LengthBucketSampler(LENGTHS, 8, 1)
    loader = DataLoader(range(len(LENGTHS)), batch_size=8, sampler=sampler)
    whole = [batch.tolist() for batch in loader]
    assert [batch.tolist() for batch in skip_first_batches(loader, 5)] == whole[5:]


@pytest.mark.parametrize(
    ("longest", "limit", "length"),
    [
        (1, 400, 8),
        (9, 400, 16),
        (64, 400, 64),
        (65, 400, 96),
        (200, 400, 224),
        (390, 400, 400),
        (70, 72, 72),
        (7, 7, 7),
    ],
)
def test_batches_come_in_few_lengths_and_none_beyond_what_the_model_takes(longest, limit, length):
    tokenizer = train_tokenizer(
        ["a b c"], "word", vocab_size=10, min_frequency=1, lowercase=True, model_max_length=limit
    )
    texts = EncodedTexts.of({"input_ids": [[5] * longest, [5]]}).with_column("label", np.array([1, 1]))
    batch = FewLengthsCollator(tokenizer)([texts])
    assert batch["input_ids"].shape == (2, length)
    assert batch["attention_mask"].sum(1).tolist() == [longest, 1]
    assert (batch["input_ids"][batch["attention_mask"] == 0] == tokenizer.pad_token_id).all()
    assert batch["labels"].tolist() == [1, 1]
