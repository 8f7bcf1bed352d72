"""Validation and test with the chosen weights, and the report."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import BatchEncoding, DataCollatorWithPadding, PreTrainedTokenizerBase


def longest_first(dataset: Dataset) -> tuple[Dataset, np.ndarray]:
    """Sorted by length, for batches with little padding; row i of the result is row order[i] of the data set."""
    order = np.argsort(-np.asarray(dataset["length"]), kind="stable")
    return dataset.select(order), order


# Texts are sorted within pools of so many batches: enough to leave little padding, few enough to stay a shuffle.
POOL = 50


class LengthBucketSampler(Sampler[int]):
    """Indices of which each consecutive `batch_size` are alike in length, the batches in random order.

    Unlike Trainer's `group_by_length` it draws from a generator of its own, so a resumed run sees the very same
    batches, and it is for training only: predictions keep the order of the rows. `batch_size` is that of a whole
    optimizer step, so that one process, several, and accumulated steps see the same texts together. A smaller batch
    comes last; where several processes cannot share it evenly, accelerate fills it up with the first texts of the
    epoch, which that one step then sees twice (--dataloader_drop_last leaves the smaller batch out instead).
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int):
        self.lengths = torch.as_tensor(lengths)
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch)
        batches = []
        for pool in torch.randperm(len(self), generator=generator).split(POOL * self.batch_size):
            batches += pool[self.lengths[pool].argsort(stable=True)].split(self.batch_size)
        *whole, last = batches
        order = torch.randperm(len(whole), generator=generator).tolist()
        for batch in [*(whole[index] for index in order), last]:
            yield from batch.tolist()


class FewLengthsCollator(DataCollatorWithPadding):
    """Pads each batch to the next multiple of 32 tokens, of 8 up to 64, and never to more than the model takes.

    Every other length is one more set of block sizes, which the allocator of glibc keeps: padded to its longest text
    each, 16 texts of up to 256 tokens cost all-MiniLM-L6-v2 another 3 MB a step, 5 GB an epoch of IMDB.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        super().__init__(tokenizer, padding="max_length")

    def __call__(self, features: list[dict]) -> BatchEncoding:
        """Rows with `input_ids` and more -> tensors (batch, length)."""
        longest = max(len(row["input_ids"]) for row in features)
        steps = round_up(longest, 8 if longest <= 64 else 32)
        self.max_length = min(steps, round_up(self.tokenizer.model_max_length, 8))
        return super().__call__(features)


def round_up(length: int, multiple: int) -> int:
    """The smallest multiple that is not below `length`."""
    return -(-length // multiple) * multiple
