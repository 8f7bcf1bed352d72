"""What every custom model promises. A new entry of `custom_models.MODELS` is held to it without a line here."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from conftest import LABELS, VOCABULARY, small_model
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from torch.testing import assert_close
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    TrainingArguments,
    pipeline,
    set_seed,
)
from transformers.modeling_outputs import TokenClassifierOutput

from custom_models import BODIES, MODEL_NAMES, MODELS
from custom_models.recurrent import RecurrentConfig
from sentiment_hf.settings.arguments import RunArguments
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.text.encoded import EncodedTexts
from sentiment_hf.training.batches import FewLengthsCollator
from sentiment_hf.training.trainer import ClassificationTrainer

GOLDEN = Path(__file__).with_name("golden_keys.json")
BODY_OF = {config.model_type: body for config, body in BODIES}
RECURRENT = [config.model_type for config, _ in MODELS if issubclass(config, RecurrentConfig)]
CHECKPOINTING = [config.model_type for config, model in MODELS if model.supports_gradient_checkpointing]
STACK = {"num_layers": 2, "bidirectional": True}
# Sentences that end after every fifth token in the mean, and are long enough to be cut.
HIERARCHICAL = {"sentence_ends": [7, 8, 9, 10, 11, 12, 13, 14], "max_sentence_length": 6}
LENGTHS = (1, 2, 3, 7, 40)


def own_fields(config_class) -> list[dataclasses.Field]:
    """The settings that are ours, not the library's."""
    library = {field.name for field in dataclasses.fields(PreTrainedConfig)} - {"pad_token_id"}
    return [field for field in dataclasses.fields(config_class) if field.name not in library]


def variants() -> list[tuple[str, dict]]:
    """Every model as it comes and with each of its choices, then settings that meet in one forward."""
    found = [(name, {}) for name in MODEL_NAMES]
    for config_class, _ in MODELS:
        choices = [field for field in own_fields(config_class) if get_origin(field.type) is Literal]
        for field in choices:
            others = [value for value in get_args(field.type) if value != field.default]
            found += [(config_class.model_type, {field.name: value}) for value in others]
    for name in RECURRENT:
        found += [(name, STACK | {"pooling": how}) for how in ("last", "mean", "max", "attention", "concat")]
        found += [(name, STACK | {"implementation": "reference"}), (name, {"weight_dropout": 0.5})]
        found += [(name, HIERARCHICAL), (name, HIERARCHICAL | STACK | {"pooling": "attention"})]
    found += [("custom-fc", {"num_layers": 2, "pooling": "attention"})]
    found += [("custom-textcnn", {"kernel_sizes": [1, 9], "num_filters": 6})]
    return [*found, ("custom-transformer", {"positions": "learned", "pooling": "attention", "intermediate_size": 24})]


def variant_id(variant: tuple[str, dict]) -> str:
    return "-".join([variant[0].removeprefix("custom-"), *(f"{name}={value}" for name, value in variant[1].items())])


@pytest.fixture(params=variants(), ids=variant_id)
def variant(request) -> tuple[str, dict]:
    return request.param


@pytest.fixture(params=MODEL_NAMES)
def name(request) -> str:
    return request.param


def some_texts(lengths=LENGTHS, vocabulary: int = VOCABULARY) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(1, vocabulary, (length,), generator=generator) for length in lengths]


def pad(texts: list[torch.Tensor], side: str = "right", rubbish: bool = True) -> dict[str, torch.Tensor]:
    """One batch. Padding is rubbish that only the mask tells from text, or the pad id."""
    longest = max(map(len, texts))
    shape = len(texts), longest + (10 if side == "between" else 3)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, VOCABULARY, shape, generator=generator) if rubbish else torch.zeros(shape, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        places = {
            "right": torch.arange(len(text)),
            "left": torch.arange(shape[1] - len(text), shape[1]),
            "between": torch.randperm(shape[1], generator=generator)[: len(text)].sort().values,
        }[side]
        ids[row, places], mask[row, places] = text, 1
    return {"input_ids": ids, "attention_mask": mask}


@torch.no_grad()
def logits_of(model, **inputs) -> torch.Tensor:
    return model(**inputs).logits


def alone(model, texts: list[torch.Tensor]) -> torch.Tensor:
    """Logits of each text by itself."""
    return torch.cat([logits_of(model, input_ids=text.unsqueeze(0)) for text in texts])


def same(actual, expected, tolerance: float = 1e-5, **message) -> None:
    assert_close(actual, expected, atol=tolerance, rtol=0, **message)


def train(model, steps: int, texts: list[torch.Tensor], labels: torch.Tensor):
    """Without weight decay, which moves what has no gradient."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    model.train()
    for _ in range(steps):
        model(**pad(texts), labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def test_learns_sixteen_rows_by_heart(variant):
    model = small_model(variant[0], **variant[1])
    texts = some_texts(range(1, 17))
    labels = torch.randint(0, 3, (16,), generator=torch.Generator().manual_seed(2))
    for _ in range(12):
        train(model, 10, texts, labels)
        if (alone(model, texts).argmax(1) == labels).all():
            return
    pytest.fail("120 steps were not enough to learn 16 rows")


def test_every_parameter_changes_in_training(variant):
    model = small_model(variant[0], **variant[1])
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    train(model, 3, some_texts(), torch.tensor([0, 1, 2, 0, 1]))
    still = [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])]
    assert not still, f"did not move: {still}"


@pytest.mark.parametrize("side", ["right", "left", "between"])
def test_padding_has_no_say(variant, side):
    model = small_model(variant[0], **variant[1])
    texts = some_texts()
    expected = alone(model, texts)
    same(logits_of(model, **pad(texts, side)), expected)
    without_mask = pad(texts, side, rubbish=False)["input_ids"]
    same(logits_of(model, input_ids=without_mask), expected)


def test_order_of_rows_and_batch_mates_have_no_say(variant):
    model = small_model(variant[0], **variant[1])
    texts = some_texts()
    expected = alone(model, texts)
    same(logits_of(model, **pad(texts[::-1])), expected.flip(0))
    same(logits_of(model, **pad([texts[0], texts[-1]])), expected[[0, -1]])
    same(logits_of(model, **pad(texts[:2])), expected[:2])


def test_without_the_mask_padding_has_a_say(variant):
    model = small_model(variant[0], use_mask=False, **variant[1])
    texts = some_texts()
    assert (logits_of(model, **pad(texts, rubbish=False)) - alone(model, texts)).abs().max() > 1e-4


def test_a_text_without_any_token_stays_finite_and_alone(variant):
    model = small_model(variant[0], **variant[1])
    batch = pad(some_texts())
    expected = logits_of(model, **batch)
    batch["attention_mask"][1] = 0
    output = model(**batch, labels=torch.zeros(len(LENGTHS), dtype=torch.long))
    output.loss.backward()
    assert output.logits.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    others = [0, 2, 3, 4]
    same(output.logits[others], expected[others])


def test_empty_one_word_and_very_long_texts_are_classified(variant, tokenizer):
    model = small_model(variant[0], **variant[1])
    texts = ["", "fine", "film " * 600]
    encoded = [torch.tensor(tokenizer(text).input_ids) for text in texts]
    assert [len(ids) for ids in encoded] == [1, 2, 601]
    logits = alone(model, encoded)
    assert logits.isfinite().all()
    same(logits_of(model, **tokenizer(texts, padding=True, return_tensors="pt")), logits)


def test_learned_positions_cut_a_longer_text_and_say_so_once(caplog):
    model = small_model("custom-transformer", positions="learned", max_position_embeddings=16)
    short, longer, longest = some_texts([14, 20, 23])
    with caplog.at_level(logging.WARNING):
        same(logits_of(model, **pad([short])), alone(model, [short]))
        assert not caplog.records
        expected = alone(model, [longer, longest])
    assert [record.getMessage() for record in caplog.records] == [
        "longer texts are cut to max_position_embeddings=16 tokens"
    ]
    same(expected, alone(model, [longer[:16], longest[:16]]))
    same(logits_of(model, **pad([longer, longest], "left")), expected)


def test_saving_and_loading_is_bit_equal(variant, tmp_path):
    model = small_model(variant[0], **variant[1])
    model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(again) is type(model)
    batch = pad(some_texts())
    assert torch.equal(logits_of(again, **batch), logits_of(model, **batch))
    for field in own_fields(type(model.config)):
        assert getattr(again.config, field.name) == getattr(model.config, field.name)


def test_names_of_labels_survive(name, tmp_path):
    small_model(name).save_pretrained(tmp_path)
    config = AutoModelForSequenceClassification.from_pretrained(tmp_path).config
    assert config.id2label == LABELS
    assert config.label2id == {label: index for index, label in LABELS.items()}
    assert config.num_labels == 3


def test_pipeline_equals_forward(name, tokenizer, tmp_path):
    model = small_model(name)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    texts = ["A fine film.", "", "The soup, cold! " * 30]
    expected = torch.cat([logits_of(model, **tokenizer(text, return_tensors="pt")) for text in texts]).softmax(1)
    classify = pipeline("text-classification", str(tmp_path), trust_remote_code=True, device="cpu")
    for results in (classify(texts, top_k=None), classify(texts, top_k=None, batch_size=3)):
        scores = [{result["label"]: result["score"] for result in results} for results in results]
        same(torch.tensor([[score[LABELS[index]] for index in range(3)] for score in scores]), expected)


def test_vectors_are_as_good_as_ids_or_refused(variant):
    model = small_model(variant[0], **variant[1])
    for side in ("right", "left"):
        batch = pad(some_texts(), side)
        vectors = model.get_input_embeddings()(batch["input_ids"])
        if variant[0] not in BODY_OF or "sentence_ends" in variant[1]:
            with pytest.raises(ValueError, match="inputs_embeds cannot"):
                model(inputs_embeds=vectors, attention_mask=batch["attention_mask"])
            continue
        expected = logits_of(model, **batch)
        same(logits_of(model, inputs_embeds=vectors, attention_mask=batch["attention_mask"]), expected)
    for both_or_none in ({"inputs_embeds": vectors, **batch}, {"attention_mask": batch["attention_mask"]}):
        with pytest.raises(ValueError, match="exactly one"):
            model(**both_or_none)


def test_the_loss_is_the_mean_cross_entropy_of_all_rows_of_the_step(name):
    model = small_model(name)
    batch, labels = pad(some_texts()), torch.tensor([2, 1, 0, 0, 2])
    output = model(**batch, labels=labels)
    same(output.loss, cross_entropy(output.logits, labels), 1e-6)
    accumulated = model(**batch, labels=labels, num_items_in_batch=torch.tensor(20)).loss
    same(accumulated, cross_entropy(output.logits, labels, reduction="sum") / 20, 1e-6)


def stock_model():
    set_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(vocab_size=VOCABULARY, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **sizes)
    config.num_labels = 3
    return BertForSequenceClassification(config)


@pytest.mark.parametrize(("batch_size", "accumulation"), [(8, 1), (2, 4)])
@pytest.mark.parametrize("model_name", [*MODEL_NAMES, "stock"])
def test_a_step_of_small_batches_is_the_step_of_the_big_batch(
    model_name, batch_size, accumulation, tokenizer, tmp_path
):
    model = stock_model() if model_name == "stock" else small_model(model_name)
    # Seven rows: the last small batch is smaller than the others, and no two batches are padded alike.
    texts, labels = some_texts([3, 9, 1, 20, 5, 2, 12]), [0, 1, 2, 2, 1, 0, 0]
    batch = pad(texts, rubbish=False)
    loss = cross_entropy(model(**batch).logits, torch.tensor(labels))
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    expected = [
        parameter.detach() - gradient for parameter, gradient in zip(model.parameters(), gradients, strict=True)
    ]

    task = SingleLabel(tuple(LABELS.values()))
    rows = EncodedTexts.of({"input_ids": [text.tolist() for text in texts]})
    arguments = {"optim": "sgd", "learning_rate": 1.0, "lr_scheduler_type": "constant", "max_grad_norm": 0.0}
    arguments |= {"max_steps": 1, "logging_steps": 1, "save_strategy": "no", "disable_tqdm": True, "use_cpu": True}
    args = TrainingArguments(
        tmp_path, per_device_train_batch_size=batch_size, gradient_accumulation_steps=accumulation, **arguments
    )
    trainer = ClassificationTrainer(
        model=model,
        args=args,
        given_args=args,
        train_dataset=rows.with_column("label", np.array(labels)),
        data_collator=FewLengthsCollator(tokenizer),
        task=task,
        loss=task.loss(np.array(labels), RunArguments(), 0),
        length_bucketing=True,
    )
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(loss.item(), abs=1e-5)
    for (name, parameter), value in zip(model.named_parameters(), expected, strict=True):
        same(parameter.detach(), value, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("size", [60, 40])
def test_resizing_the_vocabulary_leaves_words_and_padding_as_they_were(name, size, tmp_path):
    model = small_model(name, embedding_dropout=0.5)
    texts = some_texts(vocabulary=40)
    expected = alone(model, texts)
    model.resize_token_embeddings(size)
    assert model.config.vocab_size == model.get_input_embeddings().num_embeddings == size
    assert not model.get_input_embeddings().weight[0].any()
    same(alone(model, texts), expected, 1e-6)
    assert model.train()(input_ids=torch.tensor([[size - 1]])).logits.isfinite().all()
    model.eval().save_pretrained(tmp_path)
    same(alone(AutoModelForSequenceClassification.from_pretrained(tmp_path), texts), expected, 1e-6)


def test_bfloat16_is_near_float32(variant):
    model = small_model(variant[0], **variant[1])
    batch, labels = pad(some_texts()), torch.tensor([0, 1, 2, 0, 1])
    expected = logits_of(model, **batch)
    with torch.autocast("cpu", torch.bfloat16):
        output = model(**batch, labels=labels)
    output.loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    same(output.logits.detach().float(), expected, 0.05)
    whole = logits_of(model.to(torch.bfloat16), **batch)
    assert whole.dtype == torch.bfloat16
    same(whole.float(), expected, 0.05)
    assert AutoModelForSequenceClassification.from_config(model.config, dtype=torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.slow
def test_compiled_equals_not_compiled(name):
    model = small_model(name)
    batch, labels = pad(some_texts()), torch.tensor([0, 1, 2, 0, 1])
    expected = model(**batch, labels=labels)
    expected.loss.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    output = torch.compile(model)(**batch, labels=labels)
    output.loss.backward()
    same(output.logits, expected.logits)
    same({name: parameter.grad for name, parameter in model.named_parameters()}, gradients)


def frozen_names() -> dict[str, dict]:
    """Per model the settings of its config, and the tensors of its checkpoint for each set of names."""
    names = {}
    for config_class, _ in MODELS:
        fields = sorted(field.name for field in own_fields(config_class))
        names[config_class.model_type] = {"config": fields, "tensors": {}}
    for variant in variants():
        tensors = names[variant[0]]["tensors"]
        keys = sorted(small_model(variant[0], **variant[1]).state_dict())
        if keys not in tensors.values():
            tensors[variant_id(variant)] = keys
    return names


def write_golden() -> None:
    GOLDEN.write_text(json.dumps(frozen_names(), indent=1) + "\n", encoding="utf-8")


def test_names_in_a_checkpoint_are_frozen():
    """A published checkpoint keeps loading. For a new model or setting:

    PYTHONPATH=tests:tests/custom_models python -c "import test_contract; test_contract.write_golden()"
    """
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert frozen_names() == golden, "names in a checkpoint changed; if this is meant, see the docstring of this test"


@pytest.mark.parametrize("first", [0, 1])
def test_what_is_missing_from_a_checkpoint_is_initialised_and_the_rest_is_loaded(variant, first, tmp_path):
    model = small_model(variant[0], **variant[1])
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, 2, 3)
    model.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    kept = {name: saved[name] for name in sorted(saved)[first::2]}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for name, value in AutoModelForSequenceClassification.from_pretrained(tmp_path).state_dict().items():
        if name in kept:
            assert torch.equal(value, kept[name]), f"{name} was in the checkpoint"
        elif value.ndim == 1:
            assert torch.equal(value, fresh[name]), f"{name} is a bias or a norm"
        else:
            assert value.isfinite().all(), name
            assert 0.3 < value.std() / fresh[name].std() < 3, name
            assert value.abs().max() < 2, name


def test_frozen_embeddings_stay_frozen(name, tmp_path):
    small_model(name, freeze_embeddings=True).save_pretrained(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    model.resize_token_embeddings(VOCABULARY + 5)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    train(model, 2, some_texts(), torch.tensor([0, 1, 2, 0, 1]))
    still = [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])]
    assert still == ["embedding.weight"]


def test_return_dict_false_gives_a_tuple(name):
    model, batch, labels = small_model(name), pad(some_texts()), torch.tensor([0, 1, 2, 0, 1])
    expected = model(**batch, labels=labels)
    loss, logits = model(**batch, labels=labels, return_dict=False)
    assert torch.equal(loss, expected.loss)
    assert torch.equal(logits, expected.logits)
    (logits,) = model(**batch, return_dict=False)
    assert torch.equal(logits, expected.logits)


@pytest.mark.parametrize("model_name", CHECKPOINTING)
def test_activation_checkpointing_changes_no_gradient(model_name):
    model = small_model(model_name, layer_dropout=0.3, dropout=0.3)
    gradients = []
    for enable in (False, True):
        if enable:
            model.activation_checkpointing_enable()
        set_seed(5)
        model.train()(**pad(some_texts()), labels=torch.tensor([0, 1, 2, 0, 1])).loss.backward()
        gradients.append({name: parameter.grad.clone() for name, parameter in model.named_parameters()})
        model.zero_grad()
    same(gradients[1], gradients[0], 1e-6)


def test_embedding_dropout_drops_whole_words_and_only_in_training(name):
    model = small_model(name, embedding_dropout=0.5)
    ids = torch.arange(1, VOCABULARY).repeat(3, 4)
    plain = model.get_input_embeddings()(ids)
    assert torch.equal(model.embed(ids), plain)
    rates = model.train().embed(ids) / plain
    by_word = rates.view(3, 4, VOCABULARY - 1, -1)
    assert torch.equal(by_word, by_word[:, :1, :, :1].expand_as(by_word))
    assert not torch.equal(by_word[0], by_word[1])
    assert set(rates.unique().tolist()) == {0.0, 2.0}


def test_the_seed_decides_the_initialisation(variant):
    states = [small_model(variant[0], seed, **variant[1]).state_dict() for seed in (1, 1, 2)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
        fixed = value.ndim == 1 or (value.ndim == 2 and torch.equal(value, torch.eye(*value.shape)))
        assert fixed or not torch.equal(value, states[2][name]), name
    assert not states[0]["embedding.weight"][0].any()


class TokenHead:
    """Another head than ours: five scores for each token."""

    def build(self, config):
        super().build(config)
        self.tagger = torch.nn.Linear(self.state_size, 5)

    def forward(self, input_ids, attention_mask=None, **kwargs):
        return TokenClassifierOutput(logits=self.tagger(self.token_states(input_ids, attention_mask)))


def tagger_of(name: str) -> type[PreTrainedModel]:
    """The class of this model's body under a `TokenHead`."""
    return type("Tagger", (TokenHead, BODY_OF[name]), {"__module__": __name__})


def holder_of(name: str) -> type[PreTrainedModel]:
    """A class that holds this model's body as a part, as most heads of the library do."""

    class Holder(PreTrainedModel):
        config_class = BODY_OF[name].config_class
        base_model_prefix = "body"

        def __init__(self, config):
            super().__init__(config)
            self.body = BODY_OF[name](config)
            self.tagger = torch.nn.Linear(self.body.state_size, 5)
            self.post_init()

        def forward(self, input_ids, attention_mask=None, **kwargs):
            return TokenClassifierOutput(logits=self.tagger(self.base_model(input_ids, attention_mask)[0]))

    return Holder


def bodies() -> list[tuple[str, dict]]:
    """The variants that have a vector for each token, those that differ in the pooling alone as one."""
    found = []
    for name, settings in variants():
        body = name, {key: value for key, value in settings.items() if key != "pooling"}
        if name in BODY_OF and body not in found:
            found.append(body)
    return found


@pytest.fixture(params=bodies(), ids=variant_id)
def body(request) -> tuple[str, dict]:
    return request.param


WITH_STATES = [variant for variant in variants() if variant[0] in BODY_OF]


@pytest.mark.parametrize("with_states", WITH_STATES, ids=variant_id)
@pytest.mark.parametrize("another", [tagger_of, holder_of])
def test_a_checkpoint_of_one_head_loads_under_another_with_only_that_head_missing(with_states, another, tmp_path):
    name, settings = with_states
    classifier = small_model(name, **settings)
    body = BODY_OF[name](classifier.config).state_dict().keys()
    old_head = classifier.state_dict().keys() - body
    classifier.save_pretrained(tmp_path / "classes")
    tagger, info = another(name).from_pretrained(tmp_path / "classes", output_loading_info=True)
    assert info["missing_keys"] == {"tagger.weight", "tagger.bias"}
    assert info["unexpected_keys"] == old_head
    assert not info["mismatched_keys"]
    batch = pad(some_texts())
    same(logits_of(tagger, **batch), tagger.tagger(classifier.token_states(**batch)), 1e-6)

    tagger.save_pretrained(tmp_path / "tags")
    again, info = type(classifier).from_pretrained(tmp_path / "tags", output_loading_info=True)
    assert info["missing_keys"] == old_head
    assert info["unexpected_keys"] == {"tagger.weight", "tagger.bias"}
    for weight in body:
        assert torch.equal(again.state_dict()[weight], classifier.state_dict()[weight]), weight


def test_the_body_alone_is_what_automodel_loads(body, tmp_path):
    name, settings = body
    classifier, batch = small_model(name, **settings), pad(some_texts())
    classifier.save_pretrained(tmp_path / "classes")
    loaded = AutoModel.from_pretrained(tmp_path / "classes")
    assert type(loaded) is BODY_OF[name]
    loaded.save_pretrained(tmp_path / "body")
    again, info = AutoModel.from_pretrained(tmp_path / "body", output_loading_info=True)
    assert not any(info.values())
    expected = classifier.token_states(**batch)
    assert expected.shape == (*batch["input_ids"].shape, loaded.state_size)
    for model in (loaded, again):
        assert torch.equal(model(**batch).last_hidden_state, expected)
        assert torch.equal(model(**batch, return_dict=False)[0], expected)
    whole, info = type(classifier).from_pretrained(tmp_path / "body", output_loading_info=True)
    assert info["missing_keys"] == whole.state_dict().keys() - loaded.state_dict().keys()
    assert whole.base_model is whole
    assert isinstance(whole, BODY_OF[name])


@pytest.mark.parametrize("side", ["right", "left", "between"])
def test_a_state_stands_where_its_token_stands_and_padding_has_none(body, side):
    model = small_model(body[0], **body[1])
    texts = some_texts()
    batch = pad(texts, side)
    states = model.token_states(**batch)
    mask = batch["attention_mask"].bool()
    assert not states[~mask].any()
    for row, text in enumerate(texts):
        same(states[row, mask[row]], model.token_states(text.unsqueeze(0))[0])
    vectors = model.get_input_embeddings()(batch["input_ids"])
    if "sentence_ends" in body[1]:
        with pytest.raises(ValueError, match="inputs_embeds cannot"):
            model.token_states(None, batch["attention_mask"], vectors)
        return
    same(model.token_states(None, batch["attention_mask"], vectors), states)


def test_another_head_trains_the_whole_body(body):
    name, settings = body
    model = tagger_of(name)(small_model(name, **settings).config).train()
    model(**pad(some_texts())).logits.square().sum().backward()
    assert not [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]


@pytest.mark.parametrize("name", BODY_OF)
def test_frozen_embeddings_are_frozen_under_every_head(name, tmp_path):
    small_model(name, freeze_embeddings=True).save_pretrained(tmp_path)
    for model in (tagger_of(name).from_pretrained(tmp_path), AutoModel.from_pretrained(tmp_path)):
        assert [key for key, weight in model.named_parameters() if not weight.requires_grad] == ["embedding.weight"]


def test_beyond_learned_positions_there_is_no_state():
    model = small_model("custom-transformer", positions="learned", max_position_embeddings=12)
    states = model.token_states(some_texts([20])[0].unsqueeze(0))
    assert states[0].any(1).tolist() == [True] * 12 + [False] * 8


def test_zero_is_a_rate_and_what_is_none_is_refused(name):
    assert AutoConfig.for_model(name, dropout=0).dropout == 0
    for setting in ({"dropout": 1.0}, {"dropout": "0.5"}, {"hidden_size": 0}, {"hidden_size": 16.0}):
        with pytest.raises(StrictDataclassError):
            AutoConfig.for_model(name, **setting)
