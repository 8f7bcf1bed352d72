"""--layer_lr_decay: every weight has one rate, lower layers smaller ones; a run is resumed with them."""

import numpy as np
import pytest
from conftest import small_model
from helpers import Stop, flags, run_flags, run_until, save_bert, weights, write_data
from torch.optim import AdamW
from transformers import AutoModelForSequenceClassification

from custom_models import MODEL_NAMES
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.layer_rates import decay_rates, layer_depths


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def rates_of(model, decay: float) -> dict[str, float]:
    """{name: learning rate} of all weights, each of which has to be in one group."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    grouped = [{"params": [w for w in model.parameters() if w.dim() > 1]}]
    grouped += [{"params": [w for w in model.parameters() if w.dim() == 1], "weight_decay": 0.0}]
    optimizer = AdamW([group for group in grouped if group["params"]], lr=1.0, weight_decay=0.1)
    decay_rates(optimizer, model, decay)
    found = [
        (names[id(w)], group["lr"], group["weight_decay"], w)
        for group in optimizer.param_groups
        for w in group["params"]
    ]
    assert sorted(name for name, *_ in found) == sorted(names.values())
    assert all(decay == (0.1 if weight.dim() > 1 else 0.0) for _, _, decay, weight in found)
    assert optimizer.param_groups[0]["lr"] == 1
    return {name: rate for name, rate, *_ in found}


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_head_has_the_rate_of_the_flag_and_the_embeddings_the_smallest(name):
    rates = rates_of(small_model(name), 0.5)
    assert rates["classifier.weight"] == rates["classifier.bias"] == 1
    assert rates["embedding.weight"] == min(rates.values()) < 1


def test_a_layer_has_its_share_of_the_rate_of_the_one_above(tmp_path, data):
    bert = AutoModelForSequenceClassification.from_pretrained(save_bert(tmp_path, data), num_labels=2)
    rates = rates_of(bert, 0.5)
    assert {rate for name, rate in rates.items() if "encoder.layer.0" in name} == {0.5}
    assert {rate for name, rate in rates.items() if ".embeddings." in name} == {0.25}
    assert {rate for name, rate in rates.items() if "pooler" in name or "classifier" in name} == {1.0}
    stacked = rates_of(small_model("custom-gru", num_layers=2, bidirectional=True), 0.1)
    for layer, rate in (("1", 0.1), ("0", 0.01)):
        assert stacked[f"forward_cells.{layer}.weight_hh_l0"] == stacked[f"backward_cells.{layer}.weight_hh_l0"]
        assert stacked[f"forward_cells.{layer}.weight_hh_l0"] == pytest.approx(rate)
    assert layer_depths(small_model("custom-transformer"))["project.weight"] == 0
    sentences = layer_depths(small_model("custom-gru", sentence_ends=[5]))
    assert sentences["sentence_layers.forward_cells.0.weight_hh_l0"] == 2
    assert sentences["forward_cells.0.weight_hh_l0"] == 1
    assert sentences["classifier.weight"] == 3


def test_a_small_share_leaves_the_lowest_layers_nearly_as_they_were(data, tmp_path):
    bert = save_bert(tmp_path / "bert", data)
    run_flags(data, tmp_path / "run", "--layer_lr_decay", "1e-4", "--learning_rate", "1e-2", model=bert, settings=())
    before, after = weights(bert), weights(tmp_path / "run")
    word = "bert.embeddings.word_embeddings.weight"
    assert np.allclose(before[word], after[word], atol=1e-6)
    assert not np.array_equal(before[word], after[word])


def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(data, tmp_path):
    words = [flags(data, tmp_path / name, "--layer_lr_decay", "0.5") for name in "ab"]
    run(parse_run(words[0]))
    run_until(Stop(7), words[1])
    run(parse_run(words[1]))
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(np.array_equal(a[name], b[name]) for name in a)
