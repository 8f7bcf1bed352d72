"""How many times as fast bfloat16 trains each model type, by the instructions of the device, for `--bf16 auto`."""

from collections.abc import Sequence

import torch
from transformers.utils import is_torch_bf16_gpu_available

from sentiment_hf.common.processor import cpuinfo, instruction_sets

# {instructions: {model type: how many times as long steps in float32 took}}, the faster instructions first: if a
# processor has several, the first figure counts. The sizes are those of the recipe of a model type, and for bert those
# of MiniLM: larger layers gain more, smaller ones less. A type without a figure was not measured.
#
# amx_bf16 is from a study of recipes for IMDB, with torch 2.13: seconds of one thread in forward and backward of the
# layers alone, an LSTM and a GRU 128 -> 128 on 32 x 256 tokens, and a block of MiniLM on 16 x 256. The others are of
# whole steps, by benchmarks/bf16_gains.py: avx512_bf16 on two cores of an AMD EPYC, torch 2.13.
GAINS: dict[str, dict[str, float]] = {
    "amx_bf16": {"custom-gru": 0.86, "custom-lstm": 2.09, "bert": 1.68},
    "avx512_bf16": {
        "custom-ngram": 0.99,
        "custom-fc": 0.99,
        "custom-rnn": 0.9,
        "custom-gru": 0.9,
        "custom-lstm": 1.63,
        "custom-attention": 0.7,
        "custom-transformer": 0.82,
        "custom-textcnn": 1.51,
        "bert": 1.51,
    },
    "cuda": {},
}

# A smaller gain is not worth the digits that bfloat16 lacks.
LEAST_GAIN = 1.15


def device_sets(device: torch.device) -> list[str]:
    """The instructions for bfloat16 that a device has: keys of `GAINS`, in their order."""
    if device.type == "cpu":
        found = instruction_sets(cpuinfo())
        return [name for name in GAINS if name in found]
    return [device.type] if device.type in GAINS and is_torch_bf16_gpu_available() else []


def auto_bf16(model_type: str | None, sets: Sequence[str]) -> tuple[bool, str]:
    """Whether to train a model type in bfloat16 on a device with these instructions, and why.

    The model type decides, not the sizes of the model: what was measured is its recipe.
    """
    if not sets:
        return False, "no instructions for bfloat16"
    measured = [name for name in sets if model_type in GAINS[name]]
    if not measured:
        return False, f"{sets[0]}, {model_type} not measured"
    gain = GAINS[measured[0]][model_type]
    return gain >= LEAST_GAIN, f"{measured[0]}, {model_type} {gain:.1f} times as fast"
