"""What is behind a name: asked once, of real folders, and nothing is loaded or fetched for it."""

import dataclasses
import json
from pathlib import Path

import pytest
from conftest import LABELS, small_model
from peft import LoraConfig, TaskType, get_peft_model
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from transformers import BertConfig, BertForSequenceClassification

import custom_models
from sentiment_hf.baselines import BASELINES as ESTIMATORS
from sentiment_hf.baselines.storage import save_baseline
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.model_ref import BASELINE_NAMES, BASELINES, MODEL_NAMES, MODELS, Kind, ModelRef
from sentiment_hf.settings.recipes import CONFIGS, recipe_of
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.tasks.single_label import SingleLabel

NAMES = tuple(LABELS.values())


def bert(folder: Path, **settings) -> Path:
    """A checkpoint of a stock model."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    BertForSequenceClassification(BertConfig(vocab_size=9, **sizes, **settings)).save_pretrained(folder)
    return folder


def adapter(folder: Path, base: str | Path, labels: list[str] | None = None, revision: str | None = None) -> Path:
    """An adapter that says to be one of `base`."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertForSequenceClassification(BertConfig(vocab_size=9, **sizes))
    config = LoraConfig(task_type=TaskType.SEQ_CLS, r=1, target_modules=["query"], revision=revision)
    tuned = get_peft_model(model, config, revision=revision)
    tuned.peft_config["default"].base_model_name_or_path = str(base)
    tuned.save_pretrained(folder)
    if labels:
        (folder / "labels.json").write_text(json.dumps({"labels": labels}))
    return folder


def baseline(folder: Path) -> Path:
    """A fitted baseline."""
    folder.mkdir()
    save_baseline(folder, make_pipeline(DummyClassifier().fit([["a"], ["b"]], [0, 1])), SingleLabel(("neg", "pos")))
    return folder


def ensemble(folder: Path) -> Path:
    """An ensemble without members."""
    folder.mkdir()
    content = {"labels": ["neg", "pos"], "method": "mean", "members": {}, "weights": []}
    (folder / "ensemble.json").write_text(json.dumps(content))
    return folder


def refusal(name: str | Path, **given) -> str:
    """What is said of a name that is refused."""
    with pytest.raises(InputError) as refused:
        ModelRef.parse(str(name), **given)
    return str(refused.value)


def test_the_names_are_those_of_the_registries_with_their_descriptions():
    assert MODEL_NAMES == custom_models.MODEL_NAMES
    assert tuple(ESTIMATORS) == BASELINE_NAMES
    first_lines = {config.model_type: config.__doc__.splitlines()[0] for config, _ in custom_models.MODELS}
    assert {name: text.replace("`", "") for name, text in first_lines.items()} == MODELS
    assert {name: baseline.__doc__.splitlines()[0] for name, baseline in ESTIMATORS.items()} == BASELINES


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_custom_model_by_name_is_new_and_its_folder_is_a_checkpoint(name, tmp_path):
    fresh = ModelRef.parse(name)
    assert (fresh.kind, fresh.is_new, fresh.is_local, fresh.folder) == (Kind.FRESH, True, False, None)
    assert (fresh.model_type, fresh.labels, fresh.files, fresh.root) == (name, None, [], fresh)
    small_model(name).save_pretrained(tmp_path / "saved")
    saved = ModelRef.parse(str(tmp_path / "saved"))
    assert (saved.kind, saved.is_new, saved.is_local, saved.folder) == (
        Kind.CHECKPOINT,
        False,
        True,
        tmp_path / "saved",
    )
    assert (saved.model_type, saved.labels, saved.short_name) == (name, NAMES, "saved")
    assert {path.name for path in saved.files} == {path.name for path in (tmp_path / "saved").iterdir()}
    assert any(path.suffix == ".py" for path in saved.files)
    assert recipe_of(fresh, "full") == recipe_of(saved, "full") == CONFIGS / f"{name}.yaml"
    assert recipe_of(saved, "lora") == CONFIGS / "lora.yaml"


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_a_baseline_by_name_is_still_to_be_fitted(name):
    ref = ModelRef.parse(name)
    assert (ref.kind, ref.is_new, ref.folder, ref.labels, ref.files) == (Kind.BASELINE, True, None, None, [])
    assert recipe_of(ref, "full") is None


def test_a_fitted_baseline_is_a_folder_with_its_classes(tmp_path):
    ref = ModelRef.parse(str(baseline(tmp_path / "run")))
    assert (ref.kind, ref.is_new, ref.is_local, ref.labels) == (Kind.BASELINE, False, True, ("neg", "pos"))
    assert {path.name for path in ref.files} == {"model.skops", "labels.json"}


def test_an_ensemble_is_a_folder_with_its_classes(tmp_path):
    ref = ModelRef.parse(str(ensemble(tmp_path / "both")))
    assert (ref.kind, ref.is_new, ref.is_local, ref.labels) == (Kind.ENSEMBLE, False, True, ("neg", "pos"))


def test_a_hub_id_is_a_checkpoint_of_which_nothing_is_known(monkeypatch):
    ref = ModelRef.parse("me/bert", revision="v2", trust_remote_code=True, flag="--embed_with")
    assert ref == ModelRef(
        "me/bert", Kind.CHECKPOINT, revision="v2", trust_remote_code=True, flag="--embed_with", folder=None
    )
    assert (ref.is_new, ref.is_local, ref.files, ref.short_name) == (False, False, [], "bert")
    assert recipe_of(ref, "full") == CONFIGS / "full.yaml"
    assert ModelRef.parse("bert-base-uncased").kind is Kind.CHECKPOINT


def test_a_hub_id_that_was_fetched_keeps_its_name_and_is_named_by_its_commit(tmp_path):
    labels = {0: "neg", 1: "pos"}
    copy = bert(tmp_path / "bert", id2label=labels, label2id={name: number for number, name in labels.items()})
    ref = ModelRef.parse("me/bert", revision="v2").fetched(copy, "c0ffee")
    assert (ref.name, ref.revision, ref.commit, ref.folder) == ("me/bert", "v2", "c0ffee", copy)
    assert (ref.kind, ref.labels, ref.model_type) == (Kind.CHECKPOINT, ("neg", "pos"), "bert")
    assert (ref.is_local, ref.files) == (False, [])
    of_hub = ModelRef.parse("me/lora").fetched(adapter(tmp_path / "lora", "me/bert", ["a", "b"]), "beef")
    assert (of_hub.kind, of_hub.base.name, of_hub.labels) == (Kind.ADAPTER, "me/bert", ("a", "b"))
    spec = dataclasses.replace(parse_run(["--model", "me/bert", "--model_revision", "v2"]), model=ref)
    assert (spec.values()["model_name_or_path"], spec.values()["model_revision"]) == ("me/bert", "c0ffee")


def test_an_adapter_knows_its_base_with_its_revision_and_its_files(tmp_path):
    base = bert(tmp_path / "bert", id2label={0: "x", 1: "y"}, label2id={"x": 0, "y": 1})
    ref = ModelRef.parse(str(adapter(tmp_path / "lora", base, ["neg", "pos"])), trust_remote_code=True)
    assert (ref.kind, ref.is_new, ref.labels, ref.model_type) == (Kind.ADAPTER, False, ("neg", "pos"), "bert")
    assert ref.root == ref.base == ModelRef.parse(str(base), trust_remote_code=True)
    assert {path.parent for path in ref.files} == {tmp_path / "lora", base}
    assert ref.root.root == ref.base
    without_labels = ModelRef.parse(str(adapter(tmp_path / "other", base)))
    assert without_labels.labels == ("x", "y")
    of_hub = ModelRef.parse(str(adapter(tmp_path / "of-hub", "me/bert", revision="v2")))
    assert (of_hub.base.name, of_hub.base.revision, of_hub.base.folder) == ("me/bert", "v2", None)
    assert recipe_of(ref, "full") == CONFIGS / "full.yaml"


def test_a_base_that_is_gone_is_known_and_refused_where_it_is_needed(tmp_path):
    ref = ModelRef.parse(str(adapter(tmp_path / "lora", tmp_path / "nowhere", ["neg", "pos"])))
    assert (ref.base.name, ref.base.is_local, ref.labels) == (str(tmp_path / "nowhere"), True, ("neg", "pos"))
    assert {path.parent for path in ref.files} == {tmp_path / "lora"}
    with pytest.raises(InputError, match="nowhere: no such folder"):
        ref.require_base()
    with pytest.raises(InputError, match="nowhere: no such folder"):
        parse_run(["--model", str(tmp_path / "lora"), "--tuning", "lora"])


def test_a_base_whose_folder_holds_no_model_any_more_is_refused_where_it_is_needed(tmp_path):
    (tmp_path / "emptied").mkdir()
    ref = ModelRef.parse(str(adapter(tmp_path / "lora", tmp_path / "emptied", ["neg", "pos"])))
    assert (ref.base.name, ref.base.is_local) == (str(tmp_path / "emptied"), True)
    with pytest.raises(InputError, match=r"emptied: this folder is no checkpoint, it has no config\.json"):
        ref.require_base()


@pytest.mark.parametrize("written", ["./run", "run/", "../{}/run", "./run//"])
def test_a_folder_keeps_the_name_that_was_given(written, tmp_path, monkeypatch):
    """It is a part of run.json, by which a finished run is known again."""
    bert(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    name = written.format(tmp_path.name)
    ref = ModelRef.parse(name)
    assert ref.name == name
    assert ref.folder.resolve() == tmp_path / "run"
    assert parse_run(["--model", name]).values()["model_name_or_path"] == name


def test_no_name_is_no_model():
    with pytest.raises(InputError, match="MODEL: expected the name of a model"):
        ModelRef.parse("", flag="MODEL")


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"base_model_name_or_path": null}', '"x"'])
def test_an_adapter_that_names_no_base_is_refused(content, tmp_path):
    (tmp_path / "adapter_config.json").write_text(content)
    assert "base_model_name_or_path" in refusal(tmp_path)


def test_an_adapter_of_no_checkpoint_is_refused(tmp_path):
    first = adapter(tmp_path / "first", "me/bert")
    assert "is an adapter too" in refusal(adapter(tmp_path / "second", first))
    for base in ("custom-gru", "baseline-majority", baseline(tmp_path / "fitted")):
        assert "which is no checkpoint" in refusal(adapter(tmp_path / "other", base))


def test_names_of_classes_that_nobody_gave_are_none(tmp_path):
    assert ModelRef.parse(str(bert(tmp_path / "bert", num_labels=3))).labels is None


def test_classes_are_in_the_order_of_their_numbers(tmp_path):
    names = {str(number): f"class {number}" for number in (10, 2, 0, 1, *range(3, 10))}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "id2label": names}))
    assert ModelRef.parse(str(tmp_path)).labels == tuple(f"class {number}" for number in range(11))


@pytest.mark.parametrize("names", [("neg", "neg"), ("1", "1.0"), ("tr\u00e8s", "tre\u0300s"), ("neg", " neg ")])
def test_two_outputs_with_one_name_are_refused(names, tmp_path):
    config = {"model_type": "bert", "id2label": dict(enumerate(names))}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"id2label in config.json gives the name .* to several outputs \(0, 1\)"):
        ModelRef.parse(str(tmp_path))


def test_outputs_with_names_that_look_alike_are_said(tmp_path, caplog):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "id2label": {"0": "neg", "1": "Neg"}}))
    assert ModelRef.parse(str(tmp_path)).labels == ("neg", "Neg")
    assert "look alike" in caplog.text


DAMAGED = {
    "config.json": ["{", "[1]", "null", '{"id2label": {"a": "b"}}', '{"id2label": ["a"]}', "[" * 5000],
    "labels.json": ["{", "[1]", "{}", '{"labels": "neg"}', '{"labels": [1]}', '{"labels": []}'],
    "ensemble.json": ["{", "[1]", "{}", '{"labels": 1}'],
}


@pytest.mark.parametrize(
    ("name", "content"),
    [(name, text) for name, texts in DAMAGED.items() for text in texts],
    ids=lambda text: text[:20],
)
def test_a_damaged_file_is_named(name, content, tmp_path):
    if name == "labels.json":
        adapter(tmp_path, "me/bert")
    (tmp_path / name).write_text(content)
    said = refusal(tmp_path)
    assert name in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("custom-lsmt", "did you mean 'custom-lstm'?"),
        ("baseline-nbsvm", "did you mean 'baseline-nb-svm'?"),
        ("custom-mine", "a folder is ./custom-mine"),
        ("./nowhere", "--model ./nowhere: no such folder"),
        ("../nowhere", "no such folder"),
        ("/nowhere", "no such folder"),
        ("~/nowhere", "no such folder"),
        ("a/b/c", "no such folder"),
        ("file.txt", "no such folder"),
        (".", "this folder is no checkpoint, it has no config.json"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").touch()
    (tmp_path / "custom-mine").mkdir()
    assert said in refusal(name)
    assert refusal(name, flag="--embed_with").startswith("--embed_with ")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_name_that_no_system_takes_is_no_traceback(name):
    assert ModelRef.parse(name).kind is Kind.CHECKPOINT


@pytest.mark.parametrize("make", [baseline, ensemble])
def test_what_is_no_checkpoint_is_not_run_and_embeds_nothing(make, tmp_path):
    folder = str(make(tmp_path / "made"))
    with pytest.raises(InputError, match="this folder is no checkpoint"):
        parse_run(["--model", folder])
    with pytest.raises(InputError, match="expected a whole pretrained checkpoint"):
        parse_run(["--model", "custom-gru", "--embed_with", folder])


def test_a_reference_is_a_value(tmp_path):
    ref = ModelRef.parse("me/bert")
    assert {ref, ModelRef.parse("me/bert")} == {ref}
    with pytest.raises(dataclasses.FrozenInstanceError):
        ref.name = "other"
