"""What training takes of the memory of each GPU, by strategy: python benchmarks/training_memory.py

No GPU is needed: two steps of training are made with tensors that have a shape and no content, by the model, the
optimizer and the FSDP that a run has, and the bytes that exist at a time are counted (`MemTracker` of torch). Each
text is as long as --max_seq_length allows, so the batch is the largest there is. What a GPU takes beside is not
counted: some hundred MiB of CUDA itself, and what the allocator cannot use of its blocks.
Writes one line for each strategy to --output, a CSV file, in GiB at the moment with most of them in the passes of the
second step; zero2 and zero3 are FSDP, without and with the weights shared out.

--check trains smaller models on this CPU instead, in 1 and 2 processes, and compares the most memory that a process
had with what is foreseen. Linux, for it reads /proc. benchmarks/results/training-memory-check.txt has what it printed.
"""

import argparse
import csv
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import torch
from torch import distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.distributed._tools.mem_tracker import MemTracker
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.multiprocessing import spawn
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

import custom_models  # noqa: F401
from sentiment_hf.models.fresh import parse_model_config
from sentiment_hf.settings.run_flags import parse_run


@dataclass(frozen=True)
class Strategy:
    """processes: one for each GPU. sharding: none; zero2, all but the weights; zero3, the weights too."""

    processes: int
    sharding: str
    bf16: bool
    activation_checkpointing: bool


@dataclass(frozen=True)
class Shape:
    """A model, and the texts and tokens of its largest batch, for each process."""

    config: PreTrainedConfig
    texts: int
    tokens: int


def shape_of(recipe: str) -> Shape:
    """That of a recipe of a custom model."""
    spec = parse_run(["--config", recipe, "--dataset", "sample"])
    settings = parse_model_config(spec.model.name, spec.new_model.model_config)
    config = AutoConfig.for_model(spec.model.name, vocab_size=spec.tokenizer.vocab_size, **settings)
    return Shape(config, spec.training["per_device_train_batch_size"], spec.tokenizer.max_seq_length)


def new_model(shape: Shape, strategy: Strategy, mesh: DeviceMesh | None) -> PreTrainedModel:
    """A model that is trained so, its weights shared out over the processes of `mesh`."""
    model = AutoModelForSequenceClassification.from_config(shape.config).train()
    if strategy.activation_checkpointing:
        model.activation_checkpointing_enable()
    if strategy.sharding != "none":
        shard(model, strategy, mesh)
    return model


def shard(model: PreTrainedModel, strategy: Strategy, mesh: DeviceMesh) -> None:
    """Share out the layers, the embedding and the rest, as accelerate does."""
    dtype = torch.bfloat16 if strategy.bf16 else None
    how = {
        "mesh": mesh,
        "mp_policy": MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=dtype, output_dtype=dtype),
    }
    for module in [*model.modules()]:
        if type(module).__name__ in model._no_split_modules or module is model.get_input_embeddings():
            fully_shard(module, reshard_after_forward=strategy.sharding == "zero3", **how)
    fully_shard(model, **how)


def pass_through(model: nn.Module, shape: Shape, bf16: bool) -> None:
    """Forward and backward of a random batch without padding."""
    ids = torch.randint(1, shape.config.vocab_size, (shape.texts, shape.tokens))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.zeros_like(ids[:, 0])}
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = model(**batch).loss
    loss.backward()


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Clip the gradients and make the step of the optimizer, which takes no memory beside its state."""
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    """That of the recipes."""
    return torch.optim.AdamW(model.parameters(), fused=True)


@contextmanager
def pretended_group(processes: int) -> Iterator[DeviceMesh]:
    """A group of processes of which the others do not exist."""
    dist.init_process_group("fake", rank=0, world_size=processes, store=FakeStore())
    try:
        yield init_device_mesh("cpu", (processes,))
    finally:
        dist.destroy_process_group()


def foreseen(shape: Shape, strategy: Strategy) -> dict[str, int]:
    """{kind: bytes} at the moment with most of them, and `total`; of the second step, which has an optimizer state."""
    group = nullcontext() if strategy.sharding == "none" else pretended_group(strategy.processes)
    with group as mesh, FakeTensorMode():
        model = new_model(shape, strategy, mesh)
        optimizer = adamw(model)
        pass_through(model, shape, strategy.bf16)
        step(model, optimizer)
        if strategy.sharding == "none":
            tracker = MemTracker()
            tracker.track_external(model, optimizer)
        else:
            tracker = FSDPMemTracker(model, optimizer)
        # Without the step: to find out how a sharded step is made, torch makes tensors of the whole size.
        with tracker:
            pass_through(model, shape, strategy.bf16)
        (found,) = tracker.get_tracker_snapshot("peak").values()
    bytes_of = {str(getattr(kind, "value", kind)).lower().replace(" ", "_"): count for kind, count in found.items()}
    if strategy.sharding == "none" and strategy.processes > 1:
        # DDP keeps the gradients a second time, in the buckets by which they are exchanged.
        buckets = sum(4 * weight.numel() for weight in model.parameters())
        bytes_of |= {"buckets": buckets, "total": bytes_of["total"] + buckets}
    return bytes_of


def in_columns(strategy: Strategy, found: dict[str, int]) -> dict[str, object]:
    """A line of the table, in GiB."""
    rest = {name: found.get(name, 0) for name in found if name != "total"}
    columns = {"gpus": strategy.processes, "sharding": strategy.sharding, "bf16": strategy.bf16}
    columns["activation_checkpointing"] = strategy.activation_checkpointing
    for column, kinds in COLUMNS.items():
        columns[column] = f"{sum(rest.pop(kind, 0) for kind in kinds) / 2**30:.2f}"
    assert not any(rest.values()), rest
    return columns | {"total": f"{found['total'] / 2**30:.2f}"}


# The kinds of `MemTracker` and `FSDPMemTracker`, with the buckets of DDP.
COLUMNS = {
    "weights": ("parameter", "sharded_param", "unsharded_param", "all_gather", "buffer"),
    "gradients": ("gradient", "sharded_grad", "unsharded_grad", "reduce_scatter", "buckets"),
    "optimizer": ("optstate",),
    "activations": ("activation", "temp", "inputs", "other"),
}

ONE_GPU = [Strategy(1, "none", bf16, checkpointing) for bf16 in (False, True) for checkpointing in (False, True)]
DDP = [Strategy(2, "none", True, checkpointing) for checkpointing in (False, True)]
ZERO2 = [Strategy(gpus, "zero2", True, True) for gpus in (2, 4, 8)]
ZERO3 = [Strategy(gpus, "zero3", True, checkpointing) for gpus in (2, 4, 8) for checkpointing in (False, True)]


def write_table(recipe: str, output: Path) -> None:
    """Print a line for each strategy, and write them all."""
    shape, lines = shape_of(recipe), []
    for strategy in [*ONE_GPU, *DDP, *ZERO2, *ZERO3]:
        lines.append(in_columns(strategy, foreseen(shape, strategy)))
        print(*lines[-1].values(), sep="\t", flush=True)
    with output.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


# What is trained for --check: small enough for a CPU, large enough that the tensors are most of a process.
SMALL = {"embedding_size": 512, "hidden_size": 512, "num_heads": 8, "intermediate_size": 2048, "num_layers": 8}
CHECKED = [
    Strategy(1, "none", False, False),
    Strategy(1, "none", False, True),
    Strategy(2, "zero2", False, True),
    Strategy(2, "zero3", False, False),
    Strategy(2, "zero3", False, True),
]


def check() -> None:
    """Print what is foreseen and what is measured on this CPU, in MiB, and the difference."""
    # In the processes that are started, each tensor has pages of its own, which go back to the system with it.
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    shape = Shape(AutoConfig.for_model("custom-transformer", vocab_size=20_000, **SMALL), 8, 256)
    for strategy in CHECKED:
        expected, found = foreseen(shape, strategy)["total"], measured(shape, strategy)
        sizes = f"foreseen {expected / 2**20:.0f} MiB\tmeasured {found / 2**20:.0f} MiB\t{expected / found - 1:+.1%}"
        print(strategy, sizes, sep="\t", flush=True)


def measured(shape: Shape, strategy: Strategy) -> int:
    """The most bytes that the first process has in the second step, beside those that it had before its model."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bytes")
        spawn(train_really, (shape, strategy, Path(folder)), strategy.processes)
        return int(file.read_text())


def train_really(rank: int, shape: Shape, strategy: Strategy, folder: Path) -> None:
    """One of the processes of `measured`."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder / 'store'}", rank=rank, world_size=strategy.processes)
    mesh = init_device_mesh("cpu", (strategy.processes,))
    # The libraries that a step needs are loaded by a step.
    tiny = AutoConfig.for_model("custom-transformer", vocab_size=10)
    two_steps(replace(shape, config=tiny, texts=1, tokens=8), strategy, mesh)
    before = psutil.Process().memory_info().rss
    most = two_steps(shape, strategy, mesh)
    if rank == 0:
        (folder / "bytes").write_text(str(most - before))
    dist.destroy_process_group()


def two_steps(shape: Shape, strategy: Strategy, mesh: DeviceMesh) -> int:
    """The most resident bytes of this process in the second step."""
    model = new_model(shape, strategy, mesh)
    optimizer = adamw(model)
    pass_through(model, shape, strategy.bf16)
    step(model, optimizer)
    Path("/proc/self/clear_refs").write_text("5")
    pass_through(model, shape, strategy.bf16)
    return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """The most resident bytes of this process: `getrusage` would count the one that started it. Linux alone has it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def main() -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/transformer-800m.yaml", help="a recipe of custom-transformer")
    parser.add_argument("--output", type=Path, default="benchmarks/results/transformer-800m-memory.csv")
    parser.add_argument("--check", action="store_true", help="compare with what small models take on this CPU")
    args = parser.parse_args()
    if args.check:
        check()
    else:
        write_table(args.config, args.output)


if __name__ == "__main__":
    main()
