"""--tuning: what it says is trained moves, all else stays; what it saves gives the same scores wherever it loads."""

import json
import re

import pytest
import torch
from conftest import VOCABULARY, small_model
from helpers import Stop, flags, read_report, run_flags, run_until, save_bert, weights, write_csv, write_data
from peft import AutoPeftModelForSequenceClassification
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    set_seed,
)

from custom_models import MODEL_NAMES
from sentiment_hf.cli import run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.comparison.plan.flags import as_flag
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.models.adapters import apply_tuning, write_labels
from sentiment_hf.models.head import head_modules
from sentiment_hf.models.load import load_model
from sentiment_hf.runs.run import run
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.recipes import CONFIGS
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.tasks.single_label import SingleLabel

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
DECODER = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
STOCK = {
    "bert": SIZES,
    "roberta": SIZES,
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    "albert": SIZES | {"embedding_size": 8},
    "electra": SIZES | {"embedding_size": 8},
    "deberta-v2": SIZES,
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24},
    "modernbert": SIZES | DECODER | {"cls_token_id": 1, "sep_token_id": 2},
    "gpt2": DECODER | {"n_embd": 16, "n_layer": 2, "n_head": 2},
    "llama": SIZES | DECODER | {"num_key_value_heads": 2},
    # In no table: adapters on all linear layers.
    "mpnet": SIZES,
}
SMALL = {"embedding_size": 16, "hidden_size": 16}
# XLM-RoBERTa has its head before its body, XLM's is no layer of its own.
SETTINGS = STOCK | {"xlm-roberta": SIZES, "xlm": {"emb_dim": 16, "n_layers": 2, "n_heads": 2}}
SETTINGS |= dict.fromkeys(MODEL_NAMES, SMALL) | {"custom-ngram": {"num_buckets": 256}}
# The layer with a row for each class, where it is not `classifier`.
OUTPUTS = {
    "roberta": "classifier.out_proj",
    "electra": "classifier.out_proj",
    "mpnet": "classifier.out_proj",
    "xlm-roberta": "classifier.out_proj",
    "xlm": "sequence_summary.summary",
    "xlnet": "logits_proj",
    "gpt2": "score",
    "llama": "score",
}
HEADS = r"classifier|score|logits_proj|sequence_summary|pooler|pre_classifier|^head\."


def tiny(name: str) -> PreTrainedModel:
    """A model of this type with three labels, in training mode, whose dropout is off."""
    if name in MODEL_NAMES:
        return small_model(name).train()
    set_seed(0)
    config = AutoConfig.for_model(name, vocab_size=VOCABULARY, num_labels=3, **STOCK[name])
    model = AutoModelForSequenceClassification.from_config(config).train()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model


def tuned(name: str, tuning: str, **settings):
    """The same after --tuning."""
    words = [word for flag, value in settings.items() for word in as_flag(flag, value)]
    return apply_tuning(tiny(name), parse_run(["--model", "some/checkpoint", "--tuning", tuning, *words]))


def moved_by_two_steps(model) -> set[str]:
    """Names of the parameters that training changes; two steps, for an adapter's first factor starts behind a zero."""
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=1e-3)
    ids = torch.randint(3, VOCABULARY, (4, 9), generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=torch.tensor([0, 1, 2, 0])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}


@pytest.mark.parametrize("name", [*MODEL_NAMES, *STOCK])
def test_full_moves_encoder_and_head(name):
    moved = moved_by_two_steps(tuned(name, "full"))
    assert any(re.search(HEADS, weight) for weight in moved)
    assert any(not re.search(HEADS, weight) for weight in moved)


@pytest.mark.parametrize("name", [*MODEL_NAMES, *STOCK])
def test_head_moves_the_head_and_nothing_else(name):
    model = tuned(name, "head")
    moved = moved_by_two_steps(model)
    # XLNet, with `summary_use_proj`, and the classifiers of several parts: each part of the head is trained.
    assert {weight.split(".")[-2] for weight in moved} >= {part.split(".")[-1] for part in leaves(model)}
    assert all(re.search(HEADS, weight) for weight in moved), moved


def save_with_classes(folder, name: str, labels: list[str]) -> None:
    """A checkpoint of this type with these classes, no weight of which is at 0 or 1."""
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}
    config = AutoConfig.for_model(name, vocab_size=VOCABULARY, **named, **SETTINGS[name])
    model = AutoModelForSequenceClassification.from_config(config)
    for weight in model.parameters():
        nn.init.uniform_(weight, 2, 3)
    model.save_pretrained(folder)


def changed_rows(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> dict[str, list[bool]]:
    """Of each tensor that is not the same, which rows differ."""
    assert before.keys() == after.keys()
    return {
        name: (after[name] != old).reshape(len(old), -1).any(1).tolist()
        for name, old in before.items()
        if not torch.equal(after[name], old)
    }


# With 16 classes most layers have as many outputs as there are classes.
@pytest.mark.parametrize("classes", [3, 16])
@pytest.mark.parametrize("name", SETTINGS)
def test_for_other_classes_the_rows_of_the_classes_are_made_anew_and_nothing_else(name, classes, tokenizer, tmp_path):
    labels = [f"class {index:02}" for index in range(classes)]
    save_with_classes(tmp_path, name, labels[::-1])
    spec = parse_run(["--model", str(tmp_path)])
    kept = load_model(spec, SingleLabel(tuple(labels[::-1])), tokenizer).state_dict()
    assert not changed_rows(load_file(tmp_path / "model.safetensors"), kept)
    changed = changed_rows(kept, load_model(spec, SingleLabel(tuple(labels)), tokenizer).state_dict())
    output = OUTPUTS.get(name, "classifier")
    assert changed == {weight: [True] * classes for weight in kept if weight.startswith(f"{output}.")}


@pytest.mark.parametrize("name", ["custom-gru", "bert", "roberta"])
def test_an_adapter_for_other_classes_gets_new_rows_and_keeps_its_base(name, tokenizer, tmp_path):
    save_with_classes(tmp_path / "base", name, ["bad", "good"])
    spec = parse_run(["--model", str(tmp_path / "base"), "--tuning", "lora"])
    model = load_model(spec, SingleLabel(("bad", "good")), tokenizer)
    model.save_pretrained(tmp_path / "adapter")
    write_labels(model, tmp_path / "adapter")
    spec = parse_run(["--model", str(tmp_path / "adapter"), "--tuning", "lora"])
    tasks = SingleLabel(("bad", "good")), SingleLabel(("good", "bad"))
    kept, renewed = (load_model(spec, task, tokenizer).state_dict() for task in tasks)
    trained = "default.out_proj" if name == "roberta" else "default"
    expected = [f"base_model.model.classifier.modules_to_save.{trained}.{kind}" for kind in ("weight", "bias")]
    assert changed_rows(kept, renewed) == {weight: [True, True] for weight in expected}


def leaves(model: PreTrainedModel) -> set[str]:
    """The linear layers of the head."""
    return {
        f"{name}.{leaf}".rstrip(".")
        for name in head_modules(model)
        for leaf, layer in model.get_submodule(name).named_modules()
        if isinstance(layer, nn.Linear)
    }


@pytest.mark.parametrize("name", [*MODEL_NAMES, *STOCK])
def test_lora_moves_adapters_and_head_and_nothing_else(name):
    model = tuned(name, "lora", lora_r=4)
    moved = moved_by_two_steps(model)
    assert any("lora_A" in weight or "lora_embedding_A" in weight for weight in moved)
    assert any("lora_B" in weight or "lora_embedding_B" in weight for weight in moved)
    assert any(".modules_to_save." in weight and weight.endswith("weight") for weight in moved)
    assert all("lora_" in weight or ".modules_to_save." in weight for weight in moved), moved


@pytest.mark.parametrize("name", [name for name in MODEL_NAMES if name in ("custom-rnn", "custom-gru", "custom-lstm")])
def test_lora_of_a_recurrent_model_reaches_its_cells(name):
    moved = moved_by_two_steps(tuned(name, "lora"))
    assert any("forward_cells" in weight and "lora_B" in weight for weight in moved), moved
    for setting in ({"use_dora": True}, {"lora_dropout": 0.1}):
        with pytest.raises(InputError, match="cannot be had for the recurrent weights of custom-"):
            tuned(name, "lora", **setting)


@pytest.mark.parametrize("settings", [{"weight_dropout": 0.2}, {"freeze_embeddings": True}])
def test_lora_suits_a_recurrent_model_with_these_settings(settings):
    model = small_model("custom-lstm", **settings).train()
    moved = moved_by_two_steps(apply_tuning(model, parse_run(["--model", "x", "--tuning", "lora"])))
    assert any("forward_cells" in weight for weight in moved)
    assert any("embedding" in weight for weight in moved) != settings.get("freeze_embeddings", False)


def test_learned_positions_get_no_adapter_for_it_would_not_be_read():
    model = small_model("custom-transformer", positions="learned").train()
    model = apply_tuning(model, parse_run(["--model", "x", "--tuning", "lora"]))
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad and "original" not in name}
    assert moved_by_two_steps(model) == trained


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"use_rslora": True}, {"lora_dropout": 0.1}])
def test_variants_of_lora_reach_peft(settings):
    config = tuned("bert", "lora", **settings).peft_config["default"]
    assert all(getattr(config, name) == value for name, value in settings.items())


def test_modules_by_name_are_adapted_and_saved():
    model = tuned("bert", "lora", lora_target_modules=["key"], lora_modules_to_save=["word_embeddings"])
    moved = moved_by_two_steps(model)
    assert {weight.split(".")[-4] for weight in moved if "lora_" in weight} == {"key"}
    assert any("word_embeddings.modules_to_save" in weight for weight in moved)
    layers = {"query", "key", "value", "dense"}
    everywhere = moved_by_two_steps(tuned("bert", "lora", lora_target_modules=["all-linear"]))
    assert {weight.split(".")[-4] for weight in everywhere if "lora_" in weight} == layers
    for flag in ("lora_target_modules", "lora_modules_to_save"):
        with pytest.raises(InputError, match=rf"--{flag} querry: the model has no such layer.*query"):
            tuned("bert", "lora", **{flag: ["key", "querry"]})
    with pytest.raises(InputError, match="--tuning lora: No modules were targeted"):
        tuned("bert", "lora", lora_modules_to_save=["layer"])


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@torch.no_grad()
def test_a_decoder_reads_its_last_real_token_with_padding_on_either_side(name):
    model = tiny(name).eval()
    ids = torch.tensor([[5, 6, 7]])
    padding = torch.zeros(1, 2, dtype=torch.long)
    alone = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    for padded in (torch.cat((ids, padding), 1), torch.cat((padding, ids), 1)):
        mask = (padded != 0).long()
        # As in generation: positions count real tokens.
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        logits = model(input_ids=padded, attention_mask=mask, position_ids=positions).logits
        torch.testing.assert_close(logits, alone, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def bases(tmp_path_factory) -> dict:
    """A stock BERT without a head and a custom model that was trained, beside the data they know the words of."""
    folder = tmp_path_factory.mktemp("bases")
    data = write_data(folder / "data")
    run_flags(data, folder / "custom-lstm", "--num_train_epochs", 1, model="custom-lstm")
    return {"data": data, "bert": save_bert(folder / "bert", data), "custom-lstm": folder / "custom-lstm"}


def lora(bases: dict, base: str, output, *more) -> dict:
    """The report of a LoRA run over the small data."""
    more = ("--tuning", "lora", "--learning_rate", 0.05, "--lora_r", 4, *more)
    return run_flags(bases["data"], output, *more, model=bases[base], settings=())


def scores(folder, texts=("a good film", "the soup was cold and dull", "")) -> list[dict[str, float]]:
    """What `predict` says."""
    scorer = load_scorer(ModelRef.parse(str(folder)))
    return [dict(zip(scorer.task.labels, row, strict=True)) for row in scorer.score(list(texts), 8).tolist()]


def assert_close(found: list[dict[str, float]], expected: list[dict[str, float]]):
    """Same labels, same probabilities."""
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("base", ["bert", "custom-lstm"])
def test_an_adapter_reloads_and_merges_to_the_same_scores(bases, tmp_path, base):
    report = lora(bases, base, tmp_path / "adapter")
    assert report["tuning"] == "lora"
    assert 0 < report["trainable_parameters"] < report["parameters"]
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    expected = scores(tmp_path / "adapter")
    assert expected[0].keys() == {"negative", "positive"}

    # By peft itself.
    model = AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "adapter").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "adapter")
    inputs = DataCollatorWithPadding(tokenizer)(tokenizer(["a good film", "the soup was cold and dull", ""]))
    with torch.inference_mode():
        probabilities = model(**inputs).logits.softmax(-1).tolist()
    assert_close([dict(zip(("negative", "positive"), row, strict=True)) for row in probabilities], expected)

    # Merged by the same run.
    merged = lora(bases, base, tmp_path / "merged", "--merge_adapter")
    assert merged["trainable_parameters"] == report["trainable_parameters"]
    assert merged["test"]["loss"] == pytest.approx(report["test"]["loss"], abs=1e-5)
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    assert_close(scores(tmp_path / "merged"), expected)


def test_an_adapter_is_evaluated_and_trained_on_by_its_folder(bases, tmp_path):
    report = lora(bases, "bert", tmp_path / "adapter")
    again = run_flags(bases["data"], tmp_path / "eval", "--do_predict", model=tmp_path / "adapter", settings=())
    assert again["test"]["loss"] == pytest.approx(report["test"]["loss"], abs=1e-6)
    more = ["--tuning", "lora", "--num_train_epochs", 1]
    run_flags(bases["data"], tmp_path / "on", *more, model=tmp_path / "adapter", settings=())
    first, second = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("adapter", "on"))
    assert first.keys() == second.keys()
    assert all("lora_" in name or "classifier" in name or "pooler" in name for name in first)
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_an_adapter_is_merged_by_its_folder(bases, tmp_path):
    lora(bases, "custom-lstm", tmp_path / "adapter")
    expected = scores(tmp_path / "adapter")
    more = ["--do_eval", "--merge_adapter"]
    run_flags(bases["data"], tmp_path / "merged", *more, model=tmp_path / "adapter", settings=())
    assert (tmp_path / "merged" / "model.safetensors").is_file()
    card = (tmp_path / "merged" / "README.md").read_text()
    assert "its low-rank adapters added to its weights" in card
    assert "were trained" not in card
    lengths = [AutoTokenizer.from_pretrained(tmp_path / name).model_max_length for name in ("adapter", "merged")]
    assert lengths[0] == lengths[1], "it reads as much as it was trained to read"
    assert_close(scores(tmp_path / "merged"), expected)


@pytest.mark.parametrize("base", ["bert", "custom-lstm"])
def test_an_interrupted_lora_run_ends_as_if_it_had_not_been(bases, tmp_path, base):
    more = ["--tuning", "lora", "--learning_rate", 0.05, "--lora_r", 4]
    for name in ("whole", "parts"):
        argv = flags(bases["data"], tmp_path / name, *more, model=bases[base], settings=())
        if name == "parts":
            run_until(Stop(step=7), argv)
            assert scores(next((tmp_path / "parts").glob("checkpoint-7")))[0].keys() == {"negative", "positive"}
        run(parse_run(argv))
    whole, parts = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys() != set()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_an_adapter_learns_other_classes(bases, tmp_path):
    lora(bases, "bert", tmp_path / "adapter")
    rows = [(f"{word} film", word) for word in ("good", "bad", "cold") for _ in range(12)]
    for part in ("train", "validation", "test"):
        write_csv(tmp_path / "three" / f"{part}.csv", rows)
    more = ["--tuning", "lora"]
    report = run_flags(tmp_path / "three", tmp_path / "on", *more, model=tmp_path / "adapter", settings=())
    assert report["labels"] == ["bad", "cold", "good"]
    expected = scores(tmp_path / "on", ["good film"])[0]
    assert expected.keys() == {"bad", "cold", "good"}
    shape = {"num_labels": 3, "ignore_mismatched_sizes": True}
    model = AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "on", **shape).eval()
    inputs = AutoTokenizer.from_pretrained(tmp_path / "on")("good film", return_tensors="pt")
    probabilities = model(**inputs).logits.softmax(-1)[0].tolist()
    assert probabilities == pytest.approx([*expected.values()], abs=1e-5)


def test_a_tuned_head_is_a_whole_checkpoint(bases, tmp_path):
    report = run_flags(bases["data"], tmp_path / "head", "--tuning", "head", model=bases["bert"], settings=())
    assert report["tuning"] == "head"
    before, after = weights(bases["bert"]), weights(tmp_path / "head")
    encoder = [name for name in after if name in before and "pooler" not in name]
    assert len(encoder) > 10
    assert all(torch.equal(before[name], after[name]) for name in encoder)
    assert read_report(tmp_path / "head")["recipe"] == "head"


def test_an_adapter_says_where_its_base_is_and_is_written_the_same_each_time(bases, tmp_path, monkeypatch):
    monkeypatch.chdir(bases["bert"].parent)
    argv = flags(bases["data"], tmp_path / "adapter", "--tuning", "lora", model="./bert", settings=())
    assert run_command(argv) == 0
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(bases["bert"])
    assert config["target_modules"] == ["query", "value"]


REFUSALS = [
    ("custom-gru", ["--tuning", "lora"], "train it first, then give its folder"),
    ("bert", ["--merge_adapter"], "--merge_adapter wants an adapter"),
    ("trained", ["--tuning", "lora", "--merge_adapter", "--do_predict"], "--merge_adapter wants an adapter"),
    ("bert", ["--lora_r", "8", "--use_dora", "true"], "--lora_r, --use_dora shapes an adapter.*add --tuning lora"),
    ("bert", ["--tuning", "lora", "--lora_r", "0"], "--lora_r 0 is out of range"),
    ("bert", ["--tuning", "lora", "--lora_dropout", "1"], "--lora_dropout 1.0 is out of range"),
    ("bert", ["--tuning", "prefix"], "invalid choice: 'prefix'"),
    ("adapter", ["--lora_r", "8", "--tuning", "lora"], "--lora_r: --model .* is an adapter"),
    ("adapter", [], "is an adapter: train it on by --tuning lora"),
]


@pytest.mark.parametrize(("model", "more", "message"), REFUSALS)
def test_what_cannot_be_tuned_is_refused(bases, tmp_path, capsys, model, more, message):
    if model == "adapter":
        lora(bases, "bert", tmp_path / "adapter")
    folders = {"bert": bases["bert"], "trained": bases["custom-lstm"], "adapter": tmp_path / "adapter"}
    model = folders.get(model, model)
    assert run_command(flags(bases["data"], tmp_path / "out", *more, model=model, settings=())) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_an_adapter_whose_base_is_gone_is_refused(bases, tmp_path):
    lora(bases, "bert", tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    file.write_text(file.read_text().replace(str(bases["bert"]), str(tmp_path / "nowhere")))
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load_scorer(ModelRef.parse(str(tmp_path / "adapter")))
    for content in ("{}", "[]", '{"base_model_name_or_path": null}'):
        file.write_text(content)
        with pytest.raises(InputError, match="base_model_name_or_path"):
            load_scorer(ModelRef.parse(str(tmp_path / "adapter")))


def test_the_base_of_an_adapter_is_not_replaced_by_what_is_trained_on_it(bases, tmp_path, capsys):
    run_flags(bases["data"], tmp_path / "base", model="custom-gru")
    argv = ["--tuning", "lora"]
    run_flags(bases["data"], tmp_path / "adapter", *argv, model=tmp_path / "base", settings=())
    argv = flags(bases["data"], tmp_path / "base", *argv, "--overwrite", model=tmp_path / "adapter", settings=())
    assert run_command(argv) == 2
    assert "lies in --output_dir" in capsys.readouterr().err
    assert weights(tmp_path / "base")


def test_an_adapter_without_its_weights_or_its_head_is_refused(bases, tmp_path):
    lora(bases, "bert", tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    whole = load_file(file)
    save_file({name: weight for name, weight in whole.items() if "classifier" not in name}, file)
    with pytest.raises(InputError, match=r"no trained classifier for 2 classes .*classifier.bias"):
        load_scorer(ModelRef.parse(str(tmp_path / "adapter")))
    file.unlink()
    with pytest.raises(InputError, match=r"cannot be loaded .*adapter_model.safetensors"):
        load_scorer(ModelRef.parse(str(tmp_path / "adapter")))


def test_the_recipe_goes_with_the_tuning(bases):
    for tuning in ("full", "head", "lora"):
        argv = flags(bases["data"], "out", "--tuning", tuning, model=bases["bert"], settings=())
        assert parse_run(argv).run.config.endswith(f"configs/{tuning}.yaml")
    argv = flags(bases["data"], "out", "--config", str(CONFIGS / "lora.yaml"), model=bases["bert"], settings=())
    assert parse_run(argv).tuning.tuning == "lora"
