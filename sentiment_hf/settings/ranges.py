"""The range of each number among the flags. Outside of it a run fails much later, or silently does something else."""

import math
from dataclasses import dataclass
from typing import Any

from sentiment_hf.common.errors import InputError


@dataclass(frozen=True)
class Range:
    """The numbers from `least` to `most`; `above` leaves out `least` itself, and `below` leaves out `most`."""

    least: float
    most: float
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        over = value > self.least if self.above else value >= self.least
        return over and (value < self.most if self.below else value <= self.most)

    def __str__(self) -> str:
        least, most = "more than" if self.above else "at least", "less than" if self.below else "at most"
        return f"{least} {self.least:g} and {most} {self.most:.20g}"


# Libraries keep whole numbers in 32 bits.
COUNT = Range(1, 2**31 - 1)
LIMIT = Range(0, 2**31 - 1)
SEED = Range(0, 2**32 - 1)
# More processes or threads than a machine has cores for.
PROCESSES = Range(0, 1024)
# Runs at a time.
RUNS = Range(1, 1024)
# Numbers of steps or epochs, or shares of all steps. No run makes so many.
STEPS = Range(0, 10**9)
PROBABILITY = Range(0, 1)
DROPOUT = Range(0, 1, below=True)
SHARE = Range(0, 1, above=True, below=True)
AMOUNT = Range(0, 10**9)

RANGES = {
    **dict.fromkeys(
        ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"), COUNT
    ),
    **dict.fromkeys(("eval_accumulation_steps", "torch_empty_cache_steps", "early_stopping_patience"), COUNT),
    **dict.fromkeys(
        ("max_train_samples", "max_eval_samples", "max_predict_samples", "max_unlabelled_samples", "max_seq_length"),
        COUNT,
    ),
    **dict.fromkeys(("lora_r", "lora_alpha", "dataloader_prefetch_factor", "ddp_bucket_cap_mb", "ddp_timeout"), COUNT),
    **dict.fromkeys(("min_frequency", "min_class_rows", "max_steps", "least_steps", "most_steps"), COUNT),
    "vocab_size": Range(10, 2**31 - 1),
    "max_data_bytes": Range(1, 2**63 - 1),
    "num_cpu_threads": Range(1, 1024),
    "side_by_side": RUNS,
    "dataloader_num_workers": PROCESSES,
    "save_total_limit": LIMIT,
    "window_stride": LIMIT,
    "local_rank": LIMIT,
    **dict.fromkeys(("seed", "data_seed", "split_seed"), SEED),
    "num_train_epochs": Range(0, 10**9, above=True, below=True),
    **dict.fromkeys(("warmup_steps", "logging_steps", "eval_steps", "save_steps", "eval_delay"), STEPS),
    **dict.fromkeys(("validation_size", "test_size", "ema", "layer_lr_decay", "dp_delta"), SHARE),
    **dict.fromkeys(("adversarial_epsilon", "dp_epsilon", "dp_max_grad_norm"), Range(0, 10**9, above=True)),
    **dict.fromkeys(("lora_dropout", "attention_dropout", "adam_beta1", "adam_beta2"), DROPOUT),
    "label_smoothing_factor": PROBABILITY,
    "adam_epsilon": Range(0, 1, above=True, below=True),
    **dict.fromkeys(("weight_decay", "neftune_noise_alpha"), AMOUNT),
    # A rate that is far too large ends in a loss that is not finite, which is said.
    "learning_rate": Range(0, 1e38),
    # An infinite norm clips nothing.
    "max_grad_norm": Range(0, math.inf),
}

# Values outside of the range that mean "not set".
UNSET = {"max_steps": -1, "local_rank": -1}


def check_ranges(values: dict[str, Any]) -> None:
    """Raise InputError that names the first flag whose number is out of its range."""
    for name, allowed in RANGES.items():
        value = values[name]
        if value is not None and value != UNSET.get(name):
            check_range(name, value, allowed)


def check_range(name: str, value: float, allowed: Range) -> None:
    """Raise InputError if the number of the flag `name` is out of its range."""
    if math.isnan(value) or (math.isinf(value) and not math.isinf(allowed.most)):
        raise InputError(f"--{name} {value}: expected a finite number, {allowed}")
    if value not in allowed:
        raise InputError(f"--{name} {value} is out of range: expected {allowed}")
