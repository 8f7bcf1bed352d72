"""Batches that do not fit into memory: an error that names the flags to change, and --auto_find_batch_size."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from transformers import TrainingArguments

from sentiment_hf.common.errors import InputError

logger = logging.getLogger(__name__)

# Words in the errors of torch: on a GPU, on a CPU, and from a library such as cuBLAS.
OUT_OF_MEMORY = "out of memory|allocate memory|STATUS_ALLOC_FAILED"


class BatchTooLargeError(InputError):
    """A batch does not fit into memory."""


@contextmanager
def memory_explained() -> Iterator[None]:
    """Turn an out-of-memory error into BatchTooLargeError, which names the flags that make a batch smaller."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not re.search(OUT_OF_MEMORY, str(error)):
            raise
        raise BatchTooLargeError(
            "a batch does not fit into memory: add --auto_find_batch_size, or lower --max_seq_length, or lower "
            "--per_device_train_batch_size (and raise --gradient_accumulation_steps alike, for the same steps), or "
            f"--per_device_eval_batch_size if it was being scored ({' '.join(str(error).split())[:200]})"
        ) from error


def halve_batches(args: TrainingArguments, error: BatchTooLargeError) -> None:
    """Halve the batch size and double the accumulated batches, so that an optimizer step keeps its number of texts.

    Raises:
        BatchTooLargeError: `error` again, if the batch size is odd.
    """
    if args.per_device_train_batch_size % 2:
        raise error
    args.per_device_train_batch_size //= 2
    args.gradient_accumulation_steps *= 2
    args.per_device_eval_batch_size = max(1, args.per_device_eval_batch_size // 2)
    logger.warning(
        "a batch does not fit into memory; steps are now made of %d batches of %d texts, and %d are scored at once",
        args.gradient_accumulation_steps,
        args.per_device_train_batch_size,
        args.per_device_eval_batch_size,
    )
