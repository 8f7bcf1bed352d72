"""An ensemble is exported as one graph, which gives the answers of the ensemble."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch
from conftest import small_model
from helpers import read_report, relabelled, reviews, run_baseline, run_flags, save_bert, write_csv, write_data
from loopback_hub import USER
from transformers import CanineTokenizer

from sentiment_hf import api
from sentiment_hf.cli import ensemble_command, export_command, predict_command, push_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.explaining.explain import load_explainer
from sentiment_hf.explaining.rows import some_test_rows
from sentiment_hf.exporting import export as export_module
from sentiment_hf.exporting.together import Member, Together
from sentiment_hf.inference.ensemble import Ensemble
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.models.checkpoint import describe_task
from sentiment_hf.runs.finished import load_runs, model_bytes
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.ordinal import Ordinal
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.single_label import SingleLabel

# It takes more than half a minute.
pytestmark = pytest.mark.slow

LABELS, OTHER_ORDER = ("bad", "so-so", "good"), ("good", "bad", "so-so")
# The task of each member. The second has its labels in another order, and thresholds of its own.
PAIRS = {
    "single_label": (SingleLabel(LABELS), SingleLabel(OTHER_ORDER)),
    "multi_label": (MultiLabel(LABELS, (0.5, 0.4, 0.6)), MultiLabel(OTHER_ORDER, (0.45, 0.55, 0.35))),
    "regression": (Regression(("price",), 3.0, 2.0), Regression(("price",), 3.0, 2.0)),
    "ordinal": (Ordinal(LABELS), Ordinal(LABELS)),
}
POOLED = [(kind, method) for kind in PAIRS for method in ("weights", "mean", "vote")]
POOLED.remove(("regression", "vote"))


@pytest.mark.parametrize(("kind", "method"), POOLED)
def test_the_probabilities_are_those_of_the_ensemble(kind, method, tokenizer):
    tasks, draw = PAIRS[kind], torch.Generator().manual_seed(0)
    names = [{"id2label": dict(enumerate(task.labels)), "label2id": {}} for task in tasks]
    ordinal = {"ordinal": True} if kind == "ordinal" else {}
    models = [small_model(name, **names[place], **ordinal) for place, name in enumerate(("custom-fc", "custom-gru"))]
    for model, task in zip(models, tasks, strict=True):
        # Far apart, so that some probabilities are nearly 0 or 1.
        torch.nn.init.normal_(model.get_input_embeddings().weight, std=20, generator=draw)
        describe_task(model.config, task)
    weights = np.array([0.3, 0.7] if method == "weights" else [0.5, 0.5])
    ensemble = Ensemble(method, tasks[0], [Path("a"), Path("b")], weights)
    members = [Member(ModelRef.parse("custom-fc"), model, tokenizer, None) for model in models]
    inputs, probabilities, predictions = {}, [], []
    for place, (model, task) in enumerate(zip(models, tasks, strict=True)):
        ids = torch.randint(1, 50, (200, 5 + place), generator=draw)
        own = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        inputs |= {f"{name}_{place}": values for name, values in own.items()}
        with torch.no_grad():
            found = task.probabilities(model(**own).logits.numpy()).astype(np.float64)
        found = found[:, [task.labels.index(label) for label in tasks[0].labels]]
        probabilities.append(found)
        predictions.append(task.in_order(tasks[0].labels).decide(found))
    expected = ensemble.combine(np.stack(probabilities), np.stack(predictions))
    with torch.no_grad():
        logits = Together(members, ensemble)(**inputs).logits.numpy()
    assert tasks[0].probabilities(logits) == pytest.approx(expected, abs=1e-5)
    assert tasks[0].decide(tasks[0].probabilities(logits)) == pytest.approx(tasks[0].decide(expected), abs=1e-4)


TASKS = {
    "single_label": (("negative", "positive"), [], "vote"),
    "multi_label": (("food|price", "price"), ["--label_delimiter", "|"], "vote"),
    "regression": (("1200.5", "1350"), ["--task", "regression"], "mean"),
    "ordinal": (("1", "5"), ["--task", "ordinal"], "weights"),
}


@pytest.fixture(scope="module")
def ensembles(tmp_path_factory) -> Path:
    """A folder with an ensemble of each task of two members with different tokenizers, and its export beside it.

    One member of `single_label` has the classes the other way round, and token types.
    """
    home = tmp_path_factory.mktemp("ensembles")
    data = write_data(home / "data" / "source")
    ids = {"id2label": {0: "positive", 1: "negative"}, "label2id": {"positive": 0, "negative": 1}}
    bert = save_bert(home / "bert", data, initializer_range=0.3, **ids)
    learning = ["--learning_rate", 0.05, "--warmup_steps", 0, "--num_train_epochs", 6]
    for name, (labels, flags, method) in TASKS.items():
        flags = [*flags, *learning]
        folder = relabelled(data, home / "data" / name, labels)
        if name == "single_label":
            run_flags(folder, home / f"{name}-first", model="custom-ngram", settings=())
            run_flags(folder, home / f"{name}-other", *learning, model=bert, settings=())
        else:
            run_flags(folder, home / f"{name}-first", *flags, model="custom-fc")
            characters = ("--tokenizer", "char", "--max_seq_length", 20, "--truncation", "tail")
            run_flags(folder, home / f"{name}-other", *characters, *flags, model="custom-fc")
        words = [str(home / f"{name}-first"), str(home / f"{name}-other"), "--output_dir", str(home / name)]
        assert ensemble_command([*words, "--method", method]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_module, "measure_missing", lambda *_: None)
        for name in TASKS:
            assert export_command([str(home / name)]) == 0
        assert export_command([str(home / "ordinal"), "--int8"]) == 0
    return home


def scores_in(folder: Path, part: str = "predictions.parquet") -> np.ndarray:
    table = pq.read_table(folder / part)
    names = [name for name in table.column_names if name.startswith("probability_")] or ["prediction"]
    return np.stack([table[name].to_numpy() for name in names], 1)


def answers_of(folder: Path | str, texts: list[str], **flags) -> np.ndarray:
    found = api.predict(str(folder), texts, **flags)
    return np.array([list(one["scores"].values()) if "scores" in one else [one["value"]] for one in found])


def test_the_members_differ_in_what_an_export_has_to_put_right(ensembles):
    orders = [read_report(ensembles / f"single_label-{name}")["labels"] for name in ("first", "other")]
    assert orders == [["negative", "positive"], ["positive", "negative"]]
    graph = onnx.load(ensembles / "single_label-onnx" / "model.onnx").graph
    axes = {one.name: [dim.dim_param for dim in one.type.tensor_type.shape.dim] for one in graph.input}
    tokens = {f"{name}_{place}" for name in ("input_ids", "attention_mask") for place in (0, 1)}
    assert set(axes) == tokens | {"token_type_ids_1"}
    assert all(axis == ["batch", f"length_{name[-1]}"] for name, axis in axes.items())


@pytest.mark.parametrize("kind", TASKS)
def test_the_scores_are_those_of_the_ensemble(kind, ensembles):
    whole, graph = ensembles / kind, ensembles / f"{kind}-onnx"
    assert scores_in(graph) == pytest.approx(scores_in(whole), rel=1e-3, abs=1e-3)
    assert np.ptp(scores_in(graph)[:, 0]) > 0.1
    before, after = read_report(whole), read_report(graph)
    assert after["export"] == "onnx"
    assert after["members"] == before["members"]
    assert [(graph / member["folder"]).resolve() for member in after["members"]] == [
        (ensembles / f"{kind}-{name}").resolve() for name in ("first", "other")
    ]
    assert after["test"]["loss"] == pytest.approx(before["test"]["loss"], rel=1e-3, abs=1e-3)
    # Weights were learned on validation, where the ensemble was scored by those of other folds.
    assert ("validation" in after) == (TASKS[kind][2] != "weights")
    assert after["exported"]["bytes"] == model_bytes(graph)
    assert model_bytes(graph) > sum(file.stat().st_size for file in graph.glob("[01]/tokenizer.json"))
    # They are compared as two models.
    assert [run.name for run in load_runs([whole, graph])] == [kind, f"{kind}-onnx"]


@pytest.mark.parametrize("kind", TASKS)
def test_predict_answers_as_with_the_ensemble_one_text_or_many(kind, ensembles):
    texts = ["", "a good film", "x" * 5000, "cold soup " * 60, "\x00 ﷽ 🤷", "<br />", "so grim and dull"]
    expected = answers_of(ensembles / kind, texts)
    for size in (1, 3, 64):
        found = answers_of(ensembles / f"{kind}-onnx", texts, batch_size=size)
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert len(load_scorer(ModelRef.in_folder(ensembles / f"{kind}-onnx")).classify([], 8)) == 0


def without(names: tuple[str, ...], code: str, folder: Path) -> np.ndarray:
    """What the code prints in a process that cannot import these packages."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({names!r}))\n"
    done = subprocess.run([sys.executable, "-c", blocked + code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout))


@pytest.mark.parametrize("kind", [*TASKS, "ordinal-int8"])
def test_the_script_of_the_card_answers_without_torch_and_transformers(kind, ensembles):
    folder = ensembles / (kind.replace("-int8", "-onnx-int8") if "int8" in kind else f"{kind}-onnx")
    script = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[1]
    code = script.replace("print(list(names), ", "found = (") + "\nprint(json.dumps(found.tolist()))"
    found = without(("torch", "transformers", "sentiment_hf"), code, folder)
    expected = answers_of(folder, json.loads(re.search(r"^texts = (.*)$", script, re.MULTILINE)[1]))
    assert found.reshape(expected.shape) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_it_is_loaded_without_torch(ensembles):
    code = """import json
from pathlib import Path
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.settings.model_ref import ModelRef
print(json.dumps(load_scorer(ModelRef.in_folder(Path("."))).classify(["a good film", ""], 2).tolist()))"""
    folder = ensembles / "multi_label-onnx"
    assert without(("torch",), code, folder) == pytest.approx(answers_of(folder, ["a good film", ""]), abs=1e-6)


def test_eight_bits_have_scores_of_their_own(ensembles):
    folder = ensembles / "ordinal-onnx-int8"
    graph = onnx.load(folder / "model.onnx").graph
    assert any(one.data_type == onnx.TensorProto.INT8 for one in graph.initializer)
    report = read_report(folder)
    assert report["export"] == "onnx-int8"
    table = pq.read_table(folder / "predictions.parquet")
    right = table["label"].to_numpy() == table["prediction"].to_numpy()
    assert report["test"]["accuracy"] == pytest.approx(right.mean())
    assert scores_in(folder) == pytest.approx(scores_in(ensembles / "ordinal"), abs=0.1)


def test_it_is_pushed_with_all_tokenizers_and_predicts_by_its_id(ensembles, hub):
    folder = ensembles / "single_label-onnx"
    assert push_command([str(folder), "--hub_model_id", f"{USER}/together"]) == 0
    assert {"model.onnx", "0/tokenizer.json", "1/tokenizer.json", "README.md"} <= set(hub.files(f"{USER}/together"))
    texts = ["a good film", "bad"]
    assert answers_of(f"{USER}/together", texts) == pytest.approx(answers_of(folder, texts))
    # Nothing of it is left beside a model that has no members.
    run_folder = ensembles / "single_label-first"
    assert push_command([str(run_folder), "--hub_model_id", f"{USER}/together"]) == 0
    assert not any(name.startswith(("0/", "1/")) for name in hub.files(f"{USER}/together"))


def test_words_are_explained_as_with_the_ensemble(ensembles):
    text = "a good film and cold soup"
    whole, graph = (
        load_explainer(ModelRef.in_folder(ensembles / name)).explain([text])[0] for name in ("ordinal", "ordinal-onnx")
    )
    assert graph.scores == pytest.approx(whole.scores, abs=1e-3)
    assert (graph.read == whole.read).all()
    refs = [ModelRef.in_folder(ensembles / name) for name in ("ordinal", "ordinal-onnx")]
    assert [list(some_test_rows(ref, None, 5)) for ref in refs] == [list(some_test_rows(refs[0], None, 5))] * 2


def test_rows_of_an_export_whose_members_are_gone_are_not_found(ensembles, tmp_path):
    folder = Path(shutil.copytree(ensembles / "ordinal-onnx", tmp_path / "alone"))
    with pytest.raises(InputError, match=r"its member .* is not there; name a file"):
        some_test_rows(ModelRef.in_folder(folder), None, 5)


def refused(folder: Path, capsys) -> str:
    """What is said to an export that is refused."""
    capsys.readouterr()
    assert export_command([str(folder), "--output_dir", str(folder.parent / "out")]) == 2
    assert not (folder.parent / "out").exists()
    return capsys.readouterr().err


def changed_json(file: Path, **entries) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def test_a_member_without_a_graph_is_named_with_the_way_out(tmp_path, capsys):
    data = tmp_path / "data"
    for seed, (part, count) in enumerate({"train": 40, "validation": 14, "test": 22}.items()):
        lines = [(*row, index % 7) for index, row in enumerate(reviews(count, seed))]
        write_csv(data / f"{part}.csv", lines, ("text", "label", "price"))
    run_baseline(data, tmp_path / "bayes", "baseline-naive-bayes-bow")
    run_flags(data, tmp_path / "fc", model="custom-fc")
    run_flags(data, tmp_path / "columns", "--extra_column_names", "price", model="custom-fc")
    for names, output in ((("fc", "bayes"), "with-bayes"), (("fc", "columns"), "with-columns")):
        words = [str(tmp_path / name) for name in names]
        assert ensemble_command([*words, "--output_dir", str(tmp_path / output), "--method", "mean"]) == 0
    words = [str(tmp_path / "fc"), str(tmp_path / "with-bayes"), "--output_dir", str(tmp_path / "twofold")]
    assert ensemble_command([*words, "--method", "mean"]) == 0
    for name, member, way in (
        ("with-bayes", "bayes", "put custom-ngram in its place"),
        ("with-columns", "columns", "make the ensemble without it, or train it with --columns_as_text"),
        ("twofold", "with-bayes", "make one ensemble of all their members"),
    ):
        said = refused(tmp_path / name, capsys)
        assert f"its member {tmp_path / member} " in said
        assert way in said


def test_a_member_that_reads_texts_its_own_way_or_is_gone_is_named(ensembles, tmp_path, capsys):
    def copy(name: str) -> tuple[Path, Path]:
        for part in ("ordinal", "ordinal-first", "ordinal-other"):
            shutil.copytree(ensembles / part, tmp_path / name / part)
        return tmp_path / name / "ordinal", tmp_path / name / "ordinal-other"

    folder, member = copy("windows")
    changed_json(member / "tokenizer_config.json", text_windows={"stride": None, "pooling": "mean"})
    assert re.search(f"its member {member} reads long texts in windows.*make the ensemble", refused(folder, capsys))
    folder, member = copy("sentences")
    changed_json(member / "config.json", sentence_ends=[5])
    assert re.search(f"{member} reads sentence by sentence .* train it", refused(folder, capsys))
    folder, member = copy("code")
    (member / "tokenizer.json").unlink()
    CanineTokenizer().save_pretrained(member)
    assert f"{member} has a tokenizer with code of its own (CanineTokenizer)" in refused(folder, capsys)
    folder, member = copy("gone")
    shutil.rmtree(member)
    assert f"needs its member {member}, which is not there: bring it back" in refused(folder, capsys)


def test_an_export_with_a_damaged_tokenizer_is_refused_in_one_line(ensembles, tmp_path, capsys):
    folder = Path(shutil.copytree(ensembles / "ordinal-onnx", tmp_path / "damaged"))
    (folder / "1" / "tokenizer.json").write_text("{")
    capsys.readouterr()
    assert predict_command([str(folder), "good"]) == 2
    error = capsys.readouterr().err
    assert "cannot be loaded" in error
    assert "Traceback" not in error
