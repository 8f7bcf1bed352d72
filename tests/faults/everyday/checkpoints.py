"""Checkpoints of others: E501 and on."""

import csv
import json
from functools import partial
from pathlib import Path

import torch
from helpers import flags, save_bert, weights, write_csv, write_data
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from faults.everyday.trouble import refuses, survives
from sentiment_hf.cli import predict_command

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def tuned(home: Path, dtype: torch.dtype) -> list[str]:
    """A checkpoint that was saved in half precision, tuned at a usual rate."""
    data = write_data(home / "data")
    folder = save_bert(home / "bert", data, initializer_range=0.3)
    AutoModelForMaskedLM.from_pretrained(folder, dtype=dtype).save_pretrained(folder)
    return flags(data, home / "run", "--learning_rate", "3e-5", model=str(folder), settings=())


def moved(home: Path) -> bool:
    """The weights are finite float32, and training has moved nearly all of the encoder."""
    name = "bert.encoder.layer.0.attention.self.value.weight"
    before, after = weights(home / "bert")[name].float(), weights(home / "run")[name]
    return (
        after.dtype is torch.float32 and bool(after.isfinite().all()) and bool((after != before).float().mean() > 0.99)
    )


def other_head(home: Path, **settings) -> list[str]:
    """predict by a head that chooses no class."""
    folder = save_bert(home / "bert", write_data(home / "data"))
    AutoModelForSequenceClassification.from_pretrained(folder, **settings).save_pretrained(folder)
    return [str(folder), "a fine film"]


def labels_of_a_file(home: Path) -> list[str]:
    """predict by a head that gives each of three labels a probability of its own."""
    folder, *_ = other_head(home, num_labels=3, problem_type="multi_label_classification")
    new = write_csv(home / "new.csv", [("a fine film",)], ("text",))
    return [folder, "--file", str(new), "--output", str(home / "out.csv")]


def each_for_itself(home: Path) -> bool:
    """The probabilities are the sigmoid of the logits, and the text has the labels from 0.5 on."""
    model = AutoModelForSequenceClassification.from_pretrained(home / "bert").eval()
    tokens = AutoTokenizer.from_pretrained(home / "bert")("a fine film", return_tensors="pt")
    with torch.no_grad():
        expected = model(**tokens).logits.sigmoid()[0].tolist()
    with (home / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    labels = [f"LABEL_{index}" for index in range(3)]
    close = all(abs(float(row[f"probability_{label}"]) - p) < 1e-4 for label, p in zip(labels, expected, strict=True))
    return close and row["prediction"] == "|".join(
        label for label, p in zip(labels, expected, strict=True) if p >= 0.5
    )


def pointer(home: Path, name: str) -> list[str]:
    """A checkpoint that was cloned without Git LFS."""
    data = write_data(home / "data")
    folder = save_bert(home / "bert", data)
    (folder / name).write_text(POINTER)
    return flags(data, home / "run", model=str(folder), settings=())


def without_numbers(home: Path) -> list[str]:
    """predict by weights that are no numbers."""
    argv = other_head(home)
    model = AutoModelForSequenceClassification.from_pretrained(argv[0])
    torch.nn.init.constant_(model.classifier.weight, float("nan"))
    model.save_pretrained(argv[0])
    return argv


def with_code(home: Path) -> list[str]:
    """predict by a model whose code comes with it."""
    argv = other_head(home)
    config = Path(argv[0], "config.json")
    code = {"AutoConfig": "theirs.Config", "AutoModelForSequenceClassification": "theirs.Model"}
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "theirs", "auto_map": code}))
    return argv


FAULTS = [
    survives("E501", "weights in bfloat16", partial(tuned, dtype=torch.bfloat16), moved),
    survives("E502", "weights in float16", partial(tuned, dtype=torch.float16), moved),
    refuses(
        "E503",
        "predict by one output of no known task",
        partial(other_head, num_labels=1),
        "regression",
        predict_command,
    ),
    survives("E504", "predict by a multi-label head of others", labels_of_a_file, each_for_itself, predict_command),
    refuses("E507", "predict by weights that are no numbers", without_numbers, "not finite", predict_command),
    refuses("E508", "code of a checkpoint, not allowed", with_code, "add --trust_remote_code", predict_command),
    refuses("E505", "a Git LFS pointer as weights", partial(pointer, name="model.safetensors"), "git lfs pull"),
    refuses("E506", "a Git LFS pointer as config", partial(pointer, name="config.json"), "git lfs pull"),
]
