"""Multiplications and additions: how many a model takes for a token, how many the machine makes in a second."""

import math
import time
from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sentiment_hf.training.trainer import ClassificationTrainer

# Rows, inner size and columns of a product: a square one, and a layer of a small encoder over a batch.
SHAPES = ((1024, 1024, 1024), (4096, 384, 1536))
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def product_rate(shape: tuple[int, int, int], dtype: torch.dtype, seconds: float) -> float:
    """GFLOP/s of torch.mm, a multiplication and an addition being two."""
    rows, inner, columns = shape
    left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(inner, columns, dtype=dtype)
    result = torch.mm(left, right)
    return rate_of(lambda: torch.mm(left, right, out=result), 2 * math.prod(shape), seconds)


def convolution_rate(shape: tuple[int, int, int], seconds: float) -> float:
    """GFLOP/s of the same product in fp32 as a convolution of width 1, which oneDNN computes.

    torch.mm in fp32 is MKL, which is slower than oneDNN on some processors; LSTM and convolutions are oneDNN.
    """
    rows, inner, columns = shape
    source, kernel = torch.randn(1, inner, rows), torch.randn(columns, inner, 1)
    return rate_of(lambda: torch.conv1d(source, kernel), 2 * math.prod(shape), seconds)


@torch.no_grad()
def rate_of(product: Callable[[], Tensor], operations: int, seconds: float) -> float:
    """GFLOP/s of a product that takes so many operations, called again and again for some seconds."""
    product()
    count, begin = 0, time.perf_counter()
    while (taken := time.perf_counter() - begin) < seconds:
        product()
        count += 1
    return operations * count / taken / 1e9


def recurrent_layer(source: list[int], *weights_and_rest, out_shape=None, **kwargs) -> int:
    """Operations of one direction of an LSTM layer of oneDNN, of which torch does not know: two products a token."""
    length, batch, _ = source
    return 2 * length * batch * sum(math.prod(weight) for weight in weights_and_rest[:2])


def attention(query: list[int], key: list[int], value: list[int], *rest, out_shape=None, **kwargs) -> int:
    """Operations of the attention kernel of a CPU, of which torch does not know: scores, and their weighted sum."""
    batch, heads, length, size = query
    return 2 * batch * heads * length * key[2] * (size + value[3])


UNKNOWN_TO_TORCH = {
    torch.ops.aten.mkldnn_rnn_layer: recurrent_layer,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention,
}


def operations_per_token(trainer: ClassificationTrainer, batches: int) -> float:
    """Operations of matrix products in forward for a token that is not padding, over the first training batches."""
    operations = tokens = 0
    for batch in islice(trainer.get_train_dataloader(), batches):
        with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=UNKNOWN_TO_TORCH) as counter:
            trainer.model(**inputs_of(batch))
        operations += counter.get_total_flops()
        tokens += int(batch["attention_mask"].sum())
    return operations / tokens


def inputs_of(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the model takes of a batch of the trainer."""
    return {name: values for name, values in batch.items() if name != "row"}
