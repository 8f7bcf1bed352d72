"""What a run leaves behind in words and numbers: report.json, predictions.parquet, and the table on the screen."""

import platform
import resource
import shlex
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from sentiment_hf.args import ModelArguments, RunArguments
from sentiment_hf.common.files import whole
from sentiment_hf.common.versions import versions
from sentiment_hf.data import Splits


def describe_run(model_args: ModelArguments, run_args: RunArguments, seed: int, splits: Splits, tuning: str) -> dict:
    """What is known of a model or baseline before it is trained: its name, its data, the command."""
    return {
        "model": model_args.model_name_or_path,
        "model_revision": model_args.model_revision,
        "tuning": tuning,
        "embed_with": model_args.embed_with,
        "dataset": splits.name,
        "dataset_id": splits.notes["hub_id"],
        "seed": seed,
        "recipe": recipe(run_args),
        "command": command(),
        "labels": splits.train.features["label"].names,
        "duplicates": splits.notes["duplicates"],
        "data": splits.notes,
    }


def command() -> str:
    """The words that started this process, of the program its name only."""
    return shlex.join([Path(sys.argv[0]).name.replace("__main__.py", "sentiment-hf"), *sys.argv[1:]])


def recipe(run_args: RunArguments) -> str | None:
    """Its name: that of its file."""
    return Path(run_args.config).stem if run_args.config else None


def environment() -> dict:
    """Threads, processor, versions, and the largest resident size so far (Linux reports it in KiB, macOS in bytes)."""
    unit = 1 if platform.system() == "Darwin" else 1024
    cuda = torch.cuda.is_available()
    return {
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine(),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated() if cuda else 0,
        "versions": versions(),
    }


def write_predictions(path: Path, logits: np.ndarray, labels: np.ndarray, names: list[str]) -> None:
    """One line a row of the part, in its order: row, label, prediction, probability of each class (float16)."""
    probabilities = torch.from_numpy(logits).float().softmax(-1).numpy().astype(np.float16)
    columns = {"row": np.arange(len(labels), dtype=np.int32), "label": labels.astype(np.int16)}
    columns["prediction"] = logits.argmax(-1).astype(np.int16)
    columns |= {f"probability_{name}": probabilities[:, index] for index, name in enumerate(names)}
    with whole(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def table(report: dict) -> str:
    """The result of a run as aligned text, for the end of the run and for a finished one that is asked again."""
    lines = [
        ("model", f"{report['model']} ({report['tuning']})"),
        ("dataset", report["dataset"] if report["seed"] is None else f"{report['dataset']}, seed {report['seed']}"),
        ("parameters", f"{report['parameters']:,}, of them trained {report['trainable_parameters']:,}"),
    ]
    if report["train_seconds"]:
        speed = report["train_tokens_per_second"]
        lines.append(("training", f"{report['train_seconds'] / 60:.1f} min, {speed:,.0f} tokens/s"))
    lines.append(("peak memory", f"{report['peak_memory_bytes'] / 2**20:,.0f} MiB"))
    for split in ("validation", "test"):
        if split in report:
            lines.append((split, scores_line(report[split])))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def scores_line(scores: dict) -> str:
    """Accuracy with its interval, macro F1 and loss; percent."""
    low, high = scores["accuracy_interval"]
    return (
        f"accuracy {scores['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%}), "
        f"macro F1 {scores['f1_macro']:.2%}, loss {scores['loss']:.4f}, {scores['rows']:,} rows"
    )
