"""Classify texts with a saved model: label and probabilities, on the screen or as columns of a file."""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from tqdm import tqdm
from transformers import DataCollatorWithPadding, PreTrainedModel, PreTrainedTokenizerBase

import custom_models  # noqa: F401  registers the custom models
from sentiment_hf.args import ModelArguments
from sentiment_hf.baselines import is_saved_baseline, load_baseline
from sentiment_hf.inference.ensembles import is_saved_ensemble, load_ensemble
from sentiment_hf.models.load import at_its_commit, checkpoint_tokenizer, load_checkpoint
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.text.encode import encode

# Texts to label -> probability, a dictionary per text.
Scorer = Callable[[list[str]], list[dict[str, float]]]


def load_scorer(args: argparse.Namespace) -> tuple[list[str], Scorer]:
    """The labels of a checkpoint, a saved baseline or an ensemble, and what scores texts."""
    if is_saved_ensemble(args.model):
        return ensemble_scorer(args)
    if is_saved_baseline(args.model):
        estimator, labels = load_baseline(args.model)
        return labels, lambda texts: named(estimator.predict_proba(texts).tolist(), labels)
    model, tokenizer = load(args)
    return list(model.config.id2label.values()), partial(predict_batch, model, tokenizer)


def ensemble_scorer(args: argparse.Namespace) -> tuple[list[str], Scorer]:
    """The labels of an ensemble, and all its members as one."""
    ensemble = load_ensemble(args.model)
    wanted = [argparse.Namespace(**vars(args) | {"model": str(folder)}) for folder in ensemble.folders]
    members = [load_scorer(member)[1] for member in wanted]

    def score(texts: list[str]) -> list[dict[str, float]]:
        probabilities = np.array(
            [[[row[label] for label in ensemble.labels] for row in member(texts)] for member in members]
        )
        return named(ensemble.combine(probabilities, probabilities.argmax(-1)).tolist(), ensemble.labels)

    return ensemble.labels, score


def named(rows: list[list[float]], labels: list[str]) -> list[dict[str, float]]:
    """Label -> probability for each row of probabilities."""
    return [dict(zip(labels, row, strict=True)) for row in rows]


def load(args: argparse.Namespace) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a checkpoint."""
    wanted = ModelArguments(
        model_name_or_path=args.model, model_revision=args.model_revision, trust_remote_code=args.trust_remote_code
    )
    require_checkpoint(args.model)
    wanted = at_its_commit(wanted)
    tokenizer = checkpoint_tokenizer(wanted)
    model = load_checkpoint(wanted, tokenizer, trains=False).eval()
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    return model.to(device), tokenizer


def classify(score: Scorer, texts: list[str], batch_size: int) -> list[dict[str, float]]:
    """The probability of each label for each text, in the order given; batches are of similar length."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    results: list[dict[str, float]] = [{} for _ in texts]
    starts = range(0, len(texts), batch_size)
    for start in tqdm(starts, desc="Classifying", disable=len(starts) < 2):
        rows = order[start : start + batch_size]
        for row, probabilities in zip(rows, score([texts[i] for i in rows]), strict=True):
            results[row] = probabilities
    return results


@torch.inference_mode()
def predict_batch(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> list[dict[str, float]]:
    """Cut to the length that the model was trained with, as saved in its tokenizer."""
    inputs = DataCollatorWithPadding(tokenizer)(encode(texts, tokenizer)).to(model.device)
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    return named(model(**inputs).logits.float().softmax(-1).tolist(), names)
