"""What is trained is float32, whatever it was saved in: at a small rate every weight moves, and none becomes NaN."""

import pytest
import torch
from helpers import run_flags, save_bert, weights, write_data
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.settings.model_ref import ModelRef

# In bfloat16 a step of this size is lost in most weights, in float16 it needs numbers that float16 does not have.
SLOW = ("--learning_rate", "3e-5", "--warmup_steps", "0", "--weight_decay", "0")
TEXTS = ["the film was good", "so dull", "the soup was cold " * 5]
HALVES = [torch.bfloat16, torch.float16]


@pytest.fixture(params=HALVES, ids=["bf16", "fp16"])
def half(request, tmp_path):
    """(data, folder of a BERT that was saved in half precision)."""
    data = write_data(tmp_path / "data")
    folder = save_bert(tmp_path / "bert", data, initializer_range=0.3)
    AutoModelForMaskedLM.from_pretrained(folder, dtype=request.param).save_pretrained(folder)
    assert {weight.dtype for weight in weights(folder).values()} == {request.param}
    return data, folder


def test_every_weight_of_a_half_precision_checkpoint_moves_and_is_saved_in_float32(half, tmp_path):
    data, folder = half
    report = run_flags(data, tmp_path / "run", *SLOW, model=folder, settings=())
    before, after = weights(folder), weights(tmp_path / "run")
    assert {weight.dtype for weight in after.values()} == {torch.float32}
    assert all(weight.isfinite().all() for weight in after.values())
    assert report["test"]["loss"] < 1
    encoder = [name for name in after if "layer.0" in name and "weight" in name]
    for name in encoder:
        moved = (after[name] != before[name].float()).float().mean()
        # Adam moves each weight with a gradient by about the rate.
        assert moved > 0.99, name


def test_adapters_and_head_on_a_half_precision_base_are_float32(half, tmp_path):
    data, folder = half
    run_flags(data, tmp_path / "run", *SLOW, "--tuning", "lora", model=folder, settings=())
    saved = load_file(tmp_path / "run" / "adapter_model.safetensors")
    assert {weight.dtype for weight in saved.values()} == {torch.float32}
    assert all(weight.isfinite().all() for weight in saved.values())
    assert all(weight.any() for name, weight in saved.items() if "lora_B" in name)


def test_padding_has_no_say_in_the_scores_of_a_half_precision_checkpoint(half, tmp_path):
    _, folder = half
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.dtype in HALVES
    model.save_pretrained(folder)
    scorer = load_scorer(ModelRef.parse(str(folder)))
    alone, together = scorer.classify(TEXTS, 1), scorer.classify(TEXTS, 3)
    assert together == pytest.approx(alone, abs=1e-6)
