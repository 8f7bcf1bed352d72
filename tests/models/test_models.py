"""Promises of sentiment_hf.models: what a checkpoint must hold, and what of it is used."""

import json

import pytest
import torch
from helpers import save_bert, write_data
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, BertTokenizer

from sentiment_hf.common.errors import InputError
from sentiment_hf.models.checkpoint import load_checkpoint
from sentiment_hf.models.fresh import parse_model_config
from sentiment_hf.models.load import load_model, load_tokenizer
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.tasks.single_label import SingleLabel

LABELS = ["negative", "positive"]


@pytest.fixture
def bert(tmp_path):
    """The folder of a BERT without a trained head."""
    return save_bert(tmp_path / "bert", write_data(tmp_path / "data"))


def with_head(folder, labels):
    """The same folder, now with a head of these classes."""
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}
    AutoModelForSequenceClassification.from_pretrained(folder, **names).save_pretrained(folder)
    return folder


def loaded(folder, labels=LABELS, trains=True):
    """(model, tokenizer) as a run loads them, for texts of at most 400 tokens."""
    spec = parse_run(["--model", str(folder), "--max_seq_length", "400"])
    tokenizer = load_tokenizer(spec, [])
    return load_model(spec, SingleLabel(tuple(labels)), tokenizer, trains), tokenizer


def edit(file, **changes):
    """Change these keys of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_links_to_files_elsewhere_are_refused_but_for_those_of_the_cache_of_the_hub(bert, tmp_path):
    home = tmp_path / "models--me--mine"
    (home / "blobs").mkdir(parents=True)
    snapshot = home / "snapshots" / "0123"
    bert.rename(home / "blobs" / "all")
    snapshot.mkdir(parents=True)
    for file in (home / "blobs" / "all").iterdir():
        (snapshot / file.name).symlink_to(file)
    require_checkpoint(ModelRef.parse(str(snapshot)))
    snapshot.rename(tmp_path / "downloaded")
    with pytest.raises(InputError, match=r"config.json is a link to .*, outside of"):
        require_checkpoint(ModelRef.parse(str(tmp_path / "downloaded")))


def test_an_adapter_of_itself_is_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path)}))
    with pytest.raises(InputError, match=r"an adapter too"):
        ModelRef.parse(str(tmp_path))


def test_classes_that_are_not_numbered_from_0_are_refused(bert):
    edit(bert / "config.json", id2label={"3": "bad", "5": "good"}, label2id={"bad": 3, "good": 5})
    with pytest.raises(InputError, match=r"numbers the classes \[3, 5\]"):
        load_checkpoint(ModelRef.parse(str(bert)), BertTokenizer.from_pretrained(bert), trains=True)


def test_a_head_that_nothing_trains_is_refused(bert):
    with pytest.raises(InputError, match=r"no trained classifier for 2 classes .*classifier.weight"):
        loaded(bert, trains=False)
    generic = with_head(bert, ["LABEL_0", "LABEL_1"])
    assert loaded(generic, trains=False)[0].config.id2label == dict(enumerate(LABELS))
    with pytest.raises(InputError, match="no trained classifier for 3 classes"):
        loaded(generic, ["bad", "so-so", "good"], trains=False)


def test_a_new_model_that_nothing_trains_is_refused(tokenizer):
    with pytest.raises(InputError, match="add --do_train"):
        load_model(parse_run(["--model", "custom-gru"]), SingleLabel(tuple(LABELS)), tokenizer, trains=False)


@pytest.mark.parametrize(("labels", "kept"), [(LABELS, True), (["ham", "spam"], False)])
def test_the_rows_of_a_head_serve_their_own_classes_only(bert, labels, kept):
    saved = AutoModelForSequenceClassification.from_pretrained(with_head(bert, LABELS))
    model, _ = loaded(bert, labels)
    assert torch.equal(model.classifier.weight, saved.classifier.weight) == kept
    assert torch.equal(model.bert.pooler.dense.weight, saved.bert.pooler.dense.weight)


def test_texts_are_cut_to_the_positions_of_the_model(bert):
    edit(bert / "tokenizer_config.json", model_max_length=10**30)
    model, tokenizer = loaded(bert)
    assert tokenizer.model_max_length == 32
    model(**tokenizer("good " * 62, truncation=True, return_tensors="pt"))


def test_a_tokenizer_that_cannot_pad_is_refused(bert):
    tokenizer = BertTokenizer.from_pretrained(bert)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(bert)
    edit(bert / "tokenizer_config.json", pad_token=None)
    with pytest.raises(InputError, match="neither a padding nor an end-of-text token"):
        loaded(bert)


def test_a_folder_without_its_tokenizer_is_refused(bert):
    for file in bert.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(InputError, match=r"special tokens only.*tokenizer\.json"):
        loaded(bert)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("config.json", lambda content: content[:40]),
        ("config.json", lambda content: b"[1]"),
        ("config.json", lambda content: content.replace(b'"hidden_size": 8', b'"hidden_size": "big"')),
        ("tokenizer.json", lambda content: content[:400]),
        ("tokenizer.json", lambda content: b"{}"),
        ("model.safetensors", lambda content: content[: len(content) // 2]),
    ],
)
def test_a_damaged_checkpoint_is_refused(bert, name, damage):
    (bert / name).write_bytes(damage((bert / name).read_bytes()))
    with pytest.raises(InputError, match=r"cannot be loaded|expected a JSON object"):
        loaded(bert)


def test_a_setting_that_is_no_value_is_refused():
    with pytest.raises(InputError, match=r"--model_config kernel_sizes=\[2,3: expected"):
        parse_model_config("custom-textcnn", ["kernel_sizes=[2,3"])


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_a_git_lfs_pointer_is_named_as_such(bert, name):
    (bert / "pytorch_model.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    ModelRef.parse(str(bert))
    (bert / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(InputError, match=rf"{name} is a Git LFS pointer .*`git lfs pull` in"):
        ModelRef.parse(str(bert))


def test_a_weight_that_is_missing_is_said_and_a_new_head_is_not(bert, capfd, caplog):
    loaded(bert)
    assert "LOAD REPORT" not in capfd.readouterr().err + caplog.text
    assert "missing" not in caplog.text
    kept = load_file(bert / "model.safetensors")
    save_file(
        {key: value for key, value in kept.items() if "query" not in key}, bert / "model.safetensors", {"format": "pt"}
    )
    loaded(bert)
    assert "2 of its weights are missing" in caplog.text
    assert "query.weight" in caplog.text
