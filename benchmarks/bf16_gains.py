"""How many times as fast training is in bfloat16: python benchmarks/bf16_gains.py

Trains each custom model by its recipe, and a BERT of the size of MiniLM by configs/full.yaml, on random ids: batches
of the recipe, each text as long as it allows. Steps in float32 and under autocast, as in `Trainer`, take turns.
Prints medians, the ratio of two neighbouring steps, and the line for `GAINS` in sentiment_hf/training/bf16_gains.py.
Needs an idle machine, for some minutes.
"""

import argparse
import time
from statistics import median

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from custom_models import MODEL_NAMES
from sentiment_hf.common.processor import cpuinfo, instruction_sets
from sentiment_hf.models.fresh import parse_model_config
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.bf16_gains import device_sets
from sentiment_hf.training.device import device_in_words

MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
WARM_UP = 2


def new_model(model_type: str, spec: RunSpec) -> PreTrainedModel:
    """A model with random weights and the settings of its recipe."""
    if model_type == "bert":
        settings = MINILM | {"attention_probs_dropout_prob": spec.tuning.attention_dropout}
    else:
        settings = parse_model_config(model_type, spec.new_model.model_config)
    config = AutoConfig.for_model(model_type, vocab_size=spec.tokenizer.vocab_size, **settings)
    return AutoModelForSequenceClassification.from_config(config)


def random_batch(spec: RunSpec) -> dict[str, Tensor]:
    """A batch without padding. Ids are from 1 on, the more frequent the smaller, as words are."""
    shape = spec.training["per_device_train_batch_size"], spec.tokenizer.max_seq_length
    ids = (spec.tokenizer.vocab_size ** torch.rand(shape)).long()
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.arange(len(ids)) % 2}


def step_seconds(
    model: PreTrainedModel, optimizer: torch.optim.Optimizer, batch: dict[str, Tensor], bf16: bool
) -> float:
    """The seconds of one training step."""
    begin = time.perf_counter()
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        loss = model(**batch).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if model.device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - begin


def measure(model_type: str, steps: int, device: torch.device) -> tuple[list[float], list[float]]:
    """Seconds of the steps in float32, and of those in bfloat16, which took turns."""
    torch.manual_seed(0)
    spec = parse_run(["--model", model_type])
    model, batch = new_model(model_type, spec), random_batch(spec)
    if model_type in MODEL_NAMES:
        model.prepare([(batch["input_ids"], batch["attention_mask"].bool(), batch["labels"])])
    model.to(device).train()
    batch = {name: values.to(device) for name, values in batch.items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=spec.training["learning_rate"], fused=True)
    pairs = [[step_seconds(model, optimizer, batch, bf16) for bf16 in (False, True)] for _ in range(WARM_UP + steps)]
    whole, half = zip(*pairs[WARM_UP:], strict=True)
    return list(whole), list(half)


def main() -> None:
    """Measure the models one after the other, print a line for each and the gains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    types = (*MODEL_NAMES, "bert")
    parser.add_argument("--models", nargs="+", choices=types, default=types, help="model types, all by default")
    parser.add_argument("--steps", type=int, default=10, help="steps in each of the two formats")
    flags = parser.parse_args()
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    sets = ", ".join(instruction_sets(cpuinfo()))
    print(f"{device_in_words(device)}, {torch.get_num_threads()} threads, {sets}; torch {torch.__version__}")
    print(f"{'':<20} {'float32 ms':>10} {'bfloat16 ms':>11}  times as fast")
    gains = {}
    for model_type in flags.models:
        whole, half = measure(model_type, flags.steps, device)
        ratios = [one / other for one, other in zip(whole, half, strict=True)]
        gains[model_type] = round(median(ratios), 2)
        shown = f"{median(whole) * 1000:>10.0f} {median(half) * 1000:>11.0f}"
        print(f"{model_type:<20} {shown}  {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)
    used = device_sets(device)[:1] or ["no instructions for bfloat16"]
    print(f'"{used[0]}": {str(gains).replace(chr(39), chr(34))},')


if __name__ == "__main__":
    main()
