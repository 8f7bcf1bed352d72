"""A published checkpoint keeps loading: stored checkpoints of every custom model, and the logits that they gave.

The folders in published/ were written by earlier code and are not made anew when the code changes: what they hold
is on users' disks. For a new model or setting, add a line to CASES and run

    PYTHONPATH=tests:tests/custom_models python -c "import test_published; test_published.write_missing()"
"""

from pathlib import Path

import pytest
import torch
from conftest import small_model
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoModelForSequenceClassification, BertConfig

from custom_models import MODEL_NAMES

PUBLISHED = Path(__file__).with_name("published")
EXPECTED = "expected.safetensors"
STACK = {"num_layers": 2, "bidirectional": True}
HIERARCHICAL = {"sentence_ends": [3, 4, 5, 6, 7, 8], "max_sentence_length": 4, "max_sentences": 3}
HIERARCHICAL |= {"pooling": "attention"}
ENCODER = BertConfig(
    vocab_size=50,
    hidden_size=12,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=16,
)
COLUMNS = {"number_columns": {"price": [30.0, 10.0]}, "category_columns": {"country": ["de", "fr"]}}
# Folder: (model, settings). The first of each model is the plain one.
CASES: dict[str, tuple[str, dict]] = {
    "ngram": ("custom-ngram", {"num_buckets": 256}),
    "ngram-exact": ("custom-ngram", {"num_buckets": 256, "exact": True}),
    "fc": ("custom-fc", {}),
    "fc-deep-attention": ("custom-fc", {"num_layers": 2, "pooling": "attention"}),
    "fc-on-bert": ("custom-fc", {"encoder": ENCODER.to_diff_dict()}),
    "rnn": ("custom-rnn", {}),
    "rnn-stack-max": ("custom-rnn", STACK | {"pooling": "max"}),
    "gru": ("custom-gru", {}),
    "gru-stack-attention": ("custom-gru", STACK | {"pooling": "attention"}),
    "gru-reference": ("custom-gru", {"implementation": "reference"}),
    "lstm": ("custom-lstm", {}),
    "lstm-stack-concat": ("custom-lstm", STACK | {"pooling": "concat"}),
    "lstm-with-columns": ("custom-lstm", COLUMNS | {"columns_size": 8}),
    "ngram-with-columns": ("custom-ngram", COLUMNS | {"num_buckets": 256, "columns_size": 8}),
    "wrapped-bert-with-columns": (
        "wrapped-classifier",
        COLUMNS
        | {
            "inner": ENCODER.to_diff_dict() | {"max_position_embeddings": 24},
            "output_layer": "classifier",
            "num_features": 12,
            "columns_size": 8,
        },
    ),
    "rnn-hierarchical": ("custom-rnn", HIERARCHICAL),
    "gru-hierarchical": ("custom-gru", HIERARCHICAL | STACK),
    "lstm-hierarchical-max": ("custom-lstm", HIERARCHICAL | {"pooling": "max"}),
    "attention": ("custom-attention", {}),
    "attention-max-reference": ("custom-attention", {"pooling": "max", "implementation": "reference"}),
    "transformer": ("custom-transformer", {"intermediate_size": 24}),
    "transformer-learned-attention": (
        "custom-transformer",
        {"intermediate_size": 24, "positions": "learned", "max_position_embeddings": 14, "pooling": "attention"},
    ),
    "textcnn": ("custom-textcnn", {"num_filters": 6}),
    "textcnn-wide": ("custom-textcnn", {"num_filters": 4, "kernel_sizes": [1, 7]}),
}


def write_missing() -> None:
    """Make the checkpoints of CASES that are not stored yet, by the code as it is now."""
    for case, (name, settings) in CASES.items():
        if not (PUBLISHED / case).exists():
            model = small_model(name, **settings)
            if settings.get("exact"):
                # Every pair of words in two texts, of which there are rows for some.
                pairs = torch.cartesian_prod(torch.arange(1, 50), torch.arange(1, 50)).repeat(2, 1)
                model.find_ngrams([(pairs, torch.ones_like(pairs).bool(), pairs[:, 0])])
            write_checkpoint(PUBLISHED / case, model)


@torch.no_grad()
def write_checkpoint(folder: Path, model) -> None:
    """config.json, model.safetensors and what the model answers, without the code that travels along."""
    generator = torch.Generator().manual_seed(0)
    # Nothing stays at 0 or 1, for that would hide where it belongs.
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_(std=0.3, generator=generator)
    lengths = torch.tensor([1, 2, 5, 12])
    # Ids in the padding are rubbish; a text of 20 tokens is longer than learned positions and the encoder take.
    batches = {
        "padded": torch.arange(15) < lengths.unsqueeze(1),
        "long": torch.ones(1, 20, dtype=torch.bool),
    }
    expected = {}
    for batch, mask in batches.items():
        ids = torch.randint(1, 50, mask.shape, generator=generator)
        expected[f"{batch}.input_ids"], expected[f"{batch}.attention_mask"] = ids, mask.long()
        expected[f"{batch}.logits"] = model(input_ids=ids, attention_mask=mask.long()).logits
    model.save_pretrained(folder)
    save_file(expected, folder / EXPECTED)
    for file in folder.glob("*.py"):
        file.unlink()


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_model_has_a_stored_checkpoint(name):
    stored = [case for case, (model, _) in CASES.items() if model == name and (PUBLISHED / case).is_dir()]
    assert stored, f"{name} has no checkpoint in {PUBLISHED}; the docstring of this file says how to make one"


def test_every_stored_checkpoint_is_tested():
    assert {folder.name for folder in PUBLISHED.iterdir()} == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_a_stored_checkpoint_gives_the_logits_that_it_gave(case):
    model, info = AutoModelForSequenceClassification.from_pretrained(PUBLISHED / case, output_loading_info=True)
    assert model.config.model_type == CASES[case][0]
    assert not any(info.values()), info
    expected = load_file(PUBLISHED / case / EXPECTED)
    for batch in ("padded", "long"):
        inputs = {key: expected[f"{batch}.{key}"] for key in ("input_ids", "attention_mask")}
        with torch.no_grad():
            assert_close(model(**inputs).logits, expected[f"{batch}.logits"], atol=1e-5, rtol=0)
