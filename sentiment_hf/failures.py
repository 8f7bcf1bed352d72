"""What ends a training from outside: a data worker or another process of the run that is gone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sentiment_hf.errors import TrainingError

# As PyTorch says it, whose errors for them have no types of their own.
LOST_PEER = ("closed by peer", "reset by peer", "Broken pipe", "remote process exited")


@contextmanager
def lost_processes_explained() -> Iterator[None]:
    """Raises TrainingError where another process is gone."""
    try:
        yield
    except TrainingError:
        raise
    except RuntimeError as error:
        if found := lost_process(error):
            said = " ".join(str(error).split())[:200]
            message = f"{found} ({said}); the same command goes on from the last checkpoint"
            raise TrainingError(message) from error
        raise


def lost_process(error: Exception) -> str | None:
    """Which one the error means. That of a data worker comes from a signal handler, wherever the process then is."""
    if "DataLoader worker" in str(error):
        return "a process that fetches batches is gone, often for want of memory: lower --dataloader_num_workers"
    if isinstance(error, torch.distributed.DistError) or any(words in str(error) for words in LOST_PEER):
        return "another process of this run is gone"
    return None
