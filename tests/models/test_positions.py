"""A text has at most as many tokens as the model has positions for, however the model counts them."""

import math

import pytest
import torch
from helpers import run_flags, save_bert, write_csv, write_data
from transformers import AutoConfig, AutoModelForSequenceClassification, RobertaConfig, RobertaForMaskedLM

from custom_models import MODEL_NAMES
from sentiment_hf.models.positions import max_positions

ROWS = 30
SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
FROM_PADDING = {
    "roberta": SIZES,
    "xlm-roberta": SIZES,
    "xlm-roberta-xl": SIZES,
    "camembert": SIZES,
    "roberta-prelayernorm": SIZES,
    "data2vec-text": SIZES,
    "ibert": SIZES,
    "xmod": SIZES | {"default_language": "en_XX"},
    "longformer": SIZES | {"attention_window": 4},
    "luke": SIZES | {"entity_vocab_size": 5, "entity_emb_size": 4},
    "markuplm": SIZES | {"xpath_unit_hidden_size": 4},
    "esm": SIZES | {"mask_token_id": 4, "position_embedding_type": "absolute", "token_dropout": False},
}
FROM_ZERO = {
    "bert": SIZES,
    "electra": SIZES | {"embedding_size": 8},
    "distilbert": {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 16},
    "gpt2": {"n_embd": 8, "n_layer": 1, "n_head": 2},
    "opt": {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "ffn_dim": 16,
        "word_embed_proj_dim": 8,
    },
}


def built(name: str, padding: int):
    """A model of this type with `ROWS` positions and this padding token."""
    sizes = (FROM_PADDING | FROM_ZERO | {"mpnet": SIZES})[name]
    ends = {"bos_token_id": 0, "eos_token_id": 5}
    config = AutoConfig.for_model(
        name, vocab_size=40, max_position_embeddings=ROWS, pad_token_id=padding, **ends, **sizes
    )
    return AutoModelForSequenceClassification.from_config(config).eval()


@torch.inference_mode()
def reads(model, length: int) -> bool:
    """Whether the model reads a text of this many tokens."""
    ids = torch.full((1, length), 7)
    try:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    except (IndexError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize("padding", [1, 3])
@pytest.mark.parametrize("name", [*FROM_PADDING, *FROM_ZERO, "mpnet"])
def test_the_longest_text_is_read_and_a_longer_one_is_not(name, padding):
    model = built(name, padding)
    limit = max_positions(model)
    assert limit == ROWS - {**dict.fromkeys(FROM_PADDING, padding + 1), "mpnet": 2}.get(name, 0)
    assert reads(model, limit)
    assert not reads(model, limit + 1)


def test_the_limit_of_roberta_is_512_and_that_of_models_without_positions_is_none():
    assert max_positions(RobertaForMaskedLM(RobertaConfig(max_position_embeddings=514, **SIZES))) == 512
    no_limit = {"vocab_size": 40, "d_model": 8, "n_layer": 1, "n_head": 2, "d_inner": 16}
    for name, sizes in {"xlnet": no_limit, **{key: {"vocab_size": 40} for key in MODEL_NAMES}}.items():
        config = AutoConfig.for_model(name, **sizes)
        with torch.device("meta"):
            assert max_positions(AutoModelForSequenceClassification.from_config(config)) == math.inf


def test_a_long_text_is_cut_to_the_positions_whatever_the_tokenizer_says(tmp_path):
    data = write_data(tmp_path / "data")
    for part in ("train", "test"):
        write_csv(data / f"{part}.csv", [("good film " * 40, "positive"), ("dull soup", "negative")] * 10)
    folder = save_bert(tmp_path / "model", data)
    config = RobertaConfig(vocab_size=60, max_position_embeddings=36, pad_token_id=3, **SIZES)
    RobertaForMaskedLM(config).save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    file.write_text(file.read_text().replace('"model_max_length": 32', '"model_max_length": 10000'))
    report = run_flags(data, tmp_path / "run", "--max_seq_length", 400, model=folder, settings=())
    assert report["max_seq_length"] == 32
