"""Columns beside the text, in every custom model and in a wrapped pretrained one."""

import pytest
import torch
from conftest import small_model
from torch.testing import assert_close
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    RobertaConfig,
)

from custom_models import MODEL_NAMES
from custom_models.wrapped import WrappedConfig
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.models.wrap import wrapped
from sentiment_hf.settings.model_ref import Kind, ModelRef

COLUMNS = {"number_columns": {"price": [30.0, 10.0]}, "category_columns": {"country": ["de", "fr"]}}
TINY = {"vocab_size": 50, "pad_token_id": 0, "num_labels": 2}
STOCK = {
    "bert": BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, **TINY),
    "roberta": RobertaConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, **TINY),
    "distilbert": DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=16, **TINY),
    "gpt2": GPT2Config(n_embd=16, n_layer=1, n_head=2, **TINY),
}


def model_of(name: str):
    """A small model that reads COLUMNS."""
    if name in MODEL_NAMES:
        few = {"num_buckets": 256} if name == "custom-ngram" else {}
        return small_model(name, **COLUMNS, columns_size=16, **few)
    torch.manual_seed(0)
    inner = AutoModelForSequenceClassification.from_config(STOCK[name])
    return wrapped(inner, ModelRef(name, Kind.CHECKPOINT), COLUMNS | {"columns_size": 16}).eval()


@pytest.fixture(params=[*MODEL_NAMES, *STOCK])
def model(request):
    return model_of(request.param)


def batch(rows: int = 64, seed: int = 0) -> tuple[dict, torch.Tensor]:
    """Texts with the word 10 or 20, prices around 20 and 40: the class is whether the two agree."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(30, 35, (rows, 5), generator=generator)
    word, dear = torch.arange(rows) % 2, torch.arange(rows) // 2 % 2
    ids[:, 2] = 10 * (1 + word)
    prices = (20.0 + 20 * dear + torch.randn(rows, generator=generator)).unsqueeze(1)
    countries = torch.randint(0, 3, (rows, 1), generator=generator)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "column_numbers": prices,
        "column_categories": countries,
    }, (word == dear).long()


def test_what_only_text_and_column_together_say_is_learned(model):
    """A linear head over both could only add, and would get half of the rows right."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model.train()
    for step in range(150):
        inputs, labels = batch(seed=step)
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    inputs, labels = batch(seed=1000)
    with torch.no_grad():
        right = (model.eval()(**inputs).logits.argmax(1) == labels).float().mean()
    assert right > 0.9


@torch.no_grad()
def test_every_column_has_a_say_and_a_saved_model_gives_the_same(model, tmp_path):
    inputs, _ = batch(8)
    logits = model(**inputs).logits
    for name in ("column_numbers", "column_categories"):
        assert not torch.allclose(model(**inputs | {name: 2 - inputs[name]}).logits, logits)
    model.columns.missing.normal_()
    logits = model(**inputs).logits
    model.save_pretrained(tmp_path)
    again, info = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert_close(again(**inputs).logits, logits, atol=1e-5, rtol=0)
    assert ColumnSchema.of_config(again.config.to_dict()).settings == COLUMNS


@torch.no_grad()
def test_a_text_alone_has_all_cells_missing(model):
    inputs, _ = batch(8)
    model.columns.missing.normal_()
    alone = model(input_ids=inputs["input_ids"]).logits
    inputs["column_numbers"] = torch.full((8, 1), torch.nan)
    inputs["column_categories"] = torch.zeros(8, 1, dtype=torch.long)
    assert_close(model(**inputs).logits, alone)


@torch.no_grad()
def test_a_missing_number_is_the_mean_until_one_is_missing_in_training(model):
    inputs, _ = batch(8)
    missing = inputs | {"column_numbers": torch.full((8, 1), torch.nan)}
    mean = inputs | {"column_numbers": torch.full((8, 1), 30.0)}
    assert_close(model(**missing).logits, model(**mean).logits)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_model_without_columns_is_as_it_was(name):
    plain = small_model(name)
    assert not any("columns" in key for key in plain.state_dict())
    assert plain.config.reads_columns is False


def test_a_wrapped_model_without_columns_is_the_pretrained_features_under_a_head():
    inner = AutoModelForSequenceClassification.from_config(STOCK["bert"])
    model = wrapped(inner, ModelRef("bert", Kind.CHECKPOINT), {})
    assert AutoConfig.for_model(WrappedConfig.model_type).reads_columns is False
    assert model(input_ids=torch.tensor([[5, 6, 7]])).logits.shape == (1, 2)
