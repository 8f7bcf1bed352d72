"""A model that refuses its input, needs its own code or has broken weights is named in a line, and answers nothing."""

import json

import pytest
import torch
from helpers import flags, save_bert, write_data
from safetensors.torch import save_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BartConfig,
    BartForSequenceClassification,
    pipeline,
)

from sentiment_hf.cli import predict_command, run_command

CODE = """
import torch
from transformers import BertConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

class Theirs(PreTrainedModel):
    config_class = BertConfig

    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.EmbeddingBag(config.vocab_size, 8)
        self.classifier = torch.nn.Linear(8, config.num_labels)
        self.post_init()

    def forward(self, input_ids, attention_mask=None, labels=None):
        return SequenceClassifierOutput(logits=self.classifier(self.table(input_ids)))
"""


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "data", train=24)


@pytest.fixture
def bert(tmp_path, data):
    folder = save_bert(tmp_path / "bert", data)
    AutoModelForSequenceClassification.from_pretrained(folder).save_pretrained(folder)
    return folder


def last_line(capsys) -> str:
    return capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def bart(tmp_path, bert):
    """BART classifies by its end-of-text token, which this tokenizer does not write."""
    sizes = {"d_model": 8, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "max_position_embeddings": 32}
    sizes |= {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 1, "decoder_attention_heads": 1}
    tokenizer = AutoTokenizer.from_pretrained(bert)
    config = BartConfig(vocab_size=len(tokenizer) + 1, eos_token_id=len(tokenizer), bos_token_id=0, **sizes)
    BartForSequenceClassification(config).save_pretrained(tmp_path / "bart")
    tokenizer.save_pretrained(tmp_path / "bart")
    return tmp_path / "bart"


def test_a_model_that_refuses_its_input_says_why(tmp_path, data, bart, capsys):
    assert run_command(flags(data, tmp_path / "run", model=bart, settings=())) == 2
    assert "(ValueError): Each example must contain at least one <eos> token" in last_line(capsys)
    assert not (tmp_path / "run" / "report.json").exists()
    assert predict_command([str(bart), "a fine film"]) == 2
    assert "bart fails on these texts (ValueError): Each example must contain" in last_line(capsys)


def test_weights_that_are_no_numbers_answer_nothing(bert, capsys):
    model = AutoModelForSequenceClassification.from_pretrained(bert)
    torch.nn.init.constant_(model.classifier.weight, float("nan"))
    model.save_pretrained(bert)
    assert predict_command([str(bert), "a fine film", "a dull film"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "the probabilities of text 1 of 2 are not finite" in printed.err


def test_a_model_that_takes_ids_and_mask_only_is_trained_and_predicts(tmp_path, data, bert):
    config = json.loads((bert / "config.json").read_text())
    config |= {"auto_map": {"AutoModelForSequenceClassification": "theirs.Theirs"}, "architectures": ["Theirs"]}
    (bert / "config.json").write_text(json.dumps(config))
    (bert / "theirs.py").write_text(CODE)
    shapes = {"table.weight": (config["vocab_size"], 8), "classifier.weight": (2, 8), "classifier.bias": (2,)}
    tensors = {name: torch.randn(shape) for name, shape in shapes.items()}
    save_file(tensors, bert / "model.safetensors", metadata={"format": "pt"})
    trust = ("--max_steps", "2", "--trust_remote_code", "true")
    assert run_command(flags(data, tmp_path / "run", *trust, model=bert, settings=())) == 0
    assert predict_command([str(tmp_path / "run"), "a fine film", "--trust_remote_code"]) == 0
    classifier = pipeline("text-classification", str(tmp_path / "run"), trust_remote_code=True)
    assert classifier("a fine film")[0]["label"] in ("negative", "positive")


def test_code_that_was_not_allowed_names_the_flag(tmp_path, bert, capsys):
    config = json.loads((bert / "config.json").read_text()) | {"model_type": "theirs"}
    code = {"AutoConfig": "theirs.Config", "AutoModelForSequenceClassification": "theirs.Theirs"}
    (bert / "config.json").write_text(json.dumps(config | {"auto_map": code}))
    assert predict_command([str(bert), "a fine film"]) == 2
    printed = capsys.readouterr().err
    assert "its code comes with it; read that code, then add --trust_remote_code" in printed
    assert len(printed.splitlines()) == 1


def test_a_kind_of_model_without_a_classifier_is_named(bert, capsys):
    (bert / "config.json").write_text(json.dumps({"model_type": "mamba", "vocab_size": 50}))
    assert predict_command([str(bert), "a fine film"]) == 2
    assert "transformers has no text classifier for models of its type" in last_line(capsys)
