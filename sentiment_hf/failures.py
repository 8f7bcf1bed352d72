"""What ends a training from outside: a data worker or another process of the run that is gone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sentiment_hf.errors import TrainingError

# As PyTorch says it; it has no type of its own for either.
LOST_WORKER = "DataLoader worker"
LOST_PEER = ("closed by peer", "reset by peer", "Broken pipe", "remote process exited")


@contextmanager
def lost_processes_explained() -> Iterator[None]:
    """Raises TrainingError where a data worker or another process of the run is gone."""
    try:
        yield
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        go_on = "the same command goes on from the last checkpoint"
        if LOST_WORKER in said:
            raise TrainingError(
                f"a process that fetches batches is gone, often for want of memory ({said}): lower "
                f"--dataloader_num_workers; {go_on}"
            ) from error
        if isinstance(error, torch.distributed.DistError) or any(words in said for words in LOST_PEER):
            raise TrainingError(f"another process of this run is gone ({said}); {go_on}") from error
        raise
