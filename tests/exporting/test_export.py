"""An exported graph gives the answers of its model, everywhere where the model is taken."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch
from conftest import small_model
from helpers import (
    OTHER_TASKS,
    read_report,
    relabelled,
    reviews,
    run_baseline,
    run_flags,
    save_bert,
    write_csv,
    write_data,
)
from loopback_hub import USER

from custom_models import MODEL_NAMES
from sentiment_hf import api
from sentiment_hf.cli import (
    compare_command,
    ensemble_command,
    export_command,
    predict_command,
    push_command,
    run_command,
)
from sentiment_hf.common.errors import InputError
from sentiment_hf.exporting import export as export_module
from sentiment_hf.exporting.graph import write_graph
from sentiment_hf.inference.onnx_graph import open_session, run_session

SHAPES = ((1, 1), (1, 2), (2, 3), (5, 40), (1, 90))
COLUMNS = {"number_columns": {"price": [3.0, 2.0]}, "category_columns": {"country": ["de", "fr"]}}
MODELS = {name: (name, {}) for name in MODEL_NAMES}
MODELS |= {
    "n-grams by name": ("custom-ngram", {"exact": True}),
    "two layers": ("custom-lstm", {"num_layers": 2, "bidirectional": True, "pooling": "last"}),
    "columns": ("custom-gru", COLUMNS),
    "ordered": ("custom-fc", {"ordinal": True}),
}


def inputs_of(model, batch, length, left):
    """Random tokens, some of them padding, and cells, some of them missing."""
    draw = torch.Generator().manual_seed(batch * length)
    ids = torch.randint(1, model.config.vocab_size, (batch, length), generator=draw)
    mask = torch.ones_like(ids)
    if length > 2:
        mask[-1, slice(0, 2) if left else slice(length - 2, length)] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if model.config.number_columns:
        numbers = torch.randn(batch, 1, generator=draw)
        numbers[0] = torch.nan
        codes = torch.randint(0, 3, (batch, 1), generator=draw, dtype=torch.int32)
        inputs |= {"column_numbers": numbers, "column_categories": codes}
    return inputs


@pytest.mark.parametrize("kind", MODELS)
def test_a_graph_gives_the_logits_of_its_model_at_shapes_that_it_was_not_made_with(kind, tmp_path):
    name, settings = MODELS[kind]
    model = small_model(name, **settings).eval()
    if settings.get("exact"):
        # Some n-grams are in the table, at its ends too.
        inputs = inputs_of(model, 4, 9, False)
        model.prepare([(inputs["input_ids"], inputs["attention_mask"].bool(), torch.arange(4) % 2)] * 2)
    write_graph(model, inputs_of(model, 3, 11, False), tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx")
    for shape in SHAPES:
        for left in (False, True):
            inputs = inputs_of(model, *shape, left)
            with torch.no_grad():
                expected = model(**inputs).logits.numpy()
            found = run_session(session, {name: values.numpy() for name, values in inputs.items()})
            assert found == pytest.approx(expected, abs=1e-5), (shape, left)
    graph = onnx.load(tmp_path / "model.onnx")
    axes = [[dim.dim_param for dim in one.type.tensor_type.shape.dim] for one in graph.graph.input[:2]]
    assert axes == [["batch", "length"]] * 2
    # Where the code of a node is, is nobody's business.
    assert str(Path(__file__).parents[2]).encode() not in (tmp_path / "model.onnx").read_bytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory) -> Path:
    """A folder with finished runs: a custom model for each task, one with columns, an adapter, one with windows."""
    home = tmp_path_factory.mktemp("runs")
    bert = save_bert(home / "bert", data)
    run_flags(data, home / "single_label", "--max_seq_length", 9, model="custom-lstm")
    for name, (labels, flags) in OTHER_TASKS.items():
        run_flags(relabelled(data, home / "data" / name, labels), home / name, *flags, model="custom-fc")
    rows = {"train": 40, "validation": 14, "test": 22}
    for seed, (part, count) in enumerate(rows.items()):
        lines = [(*row, index % 7, ("de", "fr", "it")[index % 3]) for index, row in enumerate(reviews(count, seed))]
        write_csv(home / "data" / "columns" / f"{part}.csv", lines, ("text", "label", "price", "land"))
    extra = ("--extra_column_names", "price,land")
    run_flags(home / "data" / "columns", home / "columns", *extra, model="custom-textcnn")
    run_flags(data, home / "adapter", "--tuning", "lora", model=bert, settings=())
    windows = ("--long_texts", "windows", "--max_seq_length", 6)
    run_flags(data, home / "windows", "--tuning", "head", *windows, model=bert, settings=())
    return home


KINDS = ["single_label", *OTHER_TASKS, "columns", "adapter", "windows"]


@pytest.fixture(scope="module")
def exported(runs) -> Path:
    """The same folder, with the exports beside the runs. Their speed is not measured, which takes new processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_module, "measure_missing", lambda *_: None)
        for kind in KINDS:
            assert export_command([str(runs / kind)]) == 0
        assert export_command([str(runs / "single_label"), "--int8"]) == 0
    return runs


def scores_in(folder: Path, part: str = "predictions.parquet") -> np.ndarray:
    table = pq.read_table(folder / part)
    names = [name for name in table.column_names if name.startswith("probability_")] or ["prediction"]
    return np.stack([table[name].to_numpy() for name in names], 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_scores_and_predictions_are_those_of_the_run(kind, exported):
    run, graph = exported / kind, exported / f"{kind}-onnx"
    for part in ("predictions.parquet", "validation_predictions.parquet"):
        assert scores_in(graph, part) == pytest.approx(scores_in(run, part), rel=1e-3, abs=1e-3)
    before, after = read_report(run), read_report(graph)
    assert after["export"] == "onnx"
    assert after["test"]["loss"] == pytest.approx(before["test"]["loss"], rel=1e-3, abs=1e-3)
    assert after["exported"]["largest_difference"] < 1e-3
    assert after["seed"] == before["seed"]
    assert after["data_hash"] == before["data_hash"]


@pytest.mark.parametrize("kind", KINDS)
def test_predict_answers_as_with_the_model(kind, exported, tmp_path):
    source = exported / "data" / kind / "test.csv" if kind == "columns" else None
    answers = []
    for folder in (exported / kind, exported / f"{kind}-onnx"):
        if source:
            target = tmp_path / f"{folder.name}.csv"
            assert predict_command([str(folder), "--file", str(source), "--output", str(target)]) == 0
            with target.open() as file:
                rows = list(csv.DictReader(file))
            answers.append([float(row["probability_positive"]) for row in rows])
        found = api.predict(str(folder), ["", "a good film", "x" * 5000, "cold soup " * 60, "\x00 ﷽ 🤷"])
        answers.append([list(one["scores"].values()) if "scores" in one else [one["value"]] for one in found])
    half = len(answers) // 2
    for left, right in zip(answers[:half], answers[half:], strict=True):
        assert np.array(left) == pytest.approx(np.array(right), rel=1e-3, abs=1e-3)


def script_of(folder: Path) -> str:
    return re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[1]


@pytest.mark.parametrize("kind", ["single_label", *OTHER_TASKS, "columns", "windows", "single_label-int8"])
def test_the_script_of_the_card_answers_without_torch_and_transformers(kind, exported):
    folder = exported / kind.replace("-int8", "-onnx-int8") if "int8" in kind else exported / f"{kind}-onnx"
    script = script_of(folder)
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'transformers', 'sentiment_hf')))\n"
    code = blocked + script.replace("print(list(names), ", "found = (") + "\nprint(json.dumps(found.tolist()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    texts = json.loads(re.search(r"^texts = (.*)$", script, re.MULTILINE)[1])
    answers = api.predict(str(folder), texts)
    expected = [list(one["scores"].values()) if "scores" in one else one["value"] for one in answers]
    assert np.array(json.loads(done.stdout)) == pytest.approx(np.array(expected), rel=1e-3, abs=1e-3)


@pytest.mark.slow
def test_eight_bits_are_smaller_and_their_cost_is_said_and_kept(data, tmp_path, capsys):
    words = ("embedding_size=64", "hidden_size=64")
    run_flags(data, tmp_path / "run", model="custom-fc", settings=words)
    assert export_command([str(tmp_path / "run"), "--int8"]) == 0
    out = capsys.readouterr().out
    graph = onnx.load(tmp_path / "run-onnx-int8" / "model.onnx")
    assert any(one.data_type == onnx.TensorProto.INT8 for one in graph.graph.initializer)
    report = read_report(tmp_path / "run-onnx-int8")
    assert report["export"] == "onnx-int8"
    assert re.search(rf"test +accuracy {report['test']['accuracy']:.2%}.*(as the run|points (less|more))", out)
    assert scores_in(tmp_path / "run-onnx-int8") == pytest.approx(scores_in(tmp_path / "run"), abs=0.1)
    # It is a row of its own in a comparison, with its size and speed.
    argv = [str(tmp_path / "run"), str(tmp_path / "run-onnx-int8"), "--output_dir", str(tmp_path)]
    assert compare_command(argv) == 0
    results = json.loads((tmp_path / "comparison" / "results.json").read_text())
    models = {model["name"]: model for model in results["models"]}
    assert set(models) == {"run", "run-onnx-int8"}
    assert all(model["inference"]["texts_per_second_one_core"] > 0 for model in models.values())
    assert models["run"]["bytes_on_disk"] > models["run-onnx-int8"]["bytes_on_disk"] > 0


def test_a_graph_is_pushed_and_predicts_by_its_id(exported, hub, capsys):
    folder = exported / "single_label-onnx"
    assert push_command([str(folder), "--hub_model_id", f"{USER}/graph"]) == 0
    assert {"model.onnx", "config.json", "tokenizer.json", "README.md"} <= set(hub.files(f"{USER}/graph"))
    capsys.readouterr()
    texts = ["a good film", "bad"]
    found, expected = (api.predict(name, texts) for name in (f"{USER}/graph", str(folder)))
    assert found == expected


def test_what_has_no_graph_is_refused_with_the_way_out(data, runs, tmp_path, capsys):
    run_baseline(data, tmp_path / "bayes", "baseline-naive-bayes-bow")
    run_flags(data, tmp_path / "other", model="custom-fc")
    assert (
        ensemble_command([str(tmp_path / "bayes"), str(tmp_path / "other"), "--output_dir", str(tmp_path / "both")])
        == 0
    )
    for name, message in (
        (tmp_path / "bayes", "train custom-ngram"),
        (tmp_path / "both", "put custom-ngram in its place"),
        ("custom-lstm", "is a new model, which is not trained"),
        (tmp_path / "none", "no such folder"),
        (runs / "bert", "no trained classifier"),
    ):
        assert export_command([str(name), "--output_dir", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_nothing_is_replaced_unasked(exported, runs, capsys):
    folder = str(runs / "single_label")
    assert export_command([folder]) == 2
    assert "holds an export already; add --overwrite" in capsys.readouterr().err
    assert export_command([folder, "--output_dir", str(runs / "adapter"), "--overwrite"]) == 2
    assert "holds something else than an export" in capsys.readouterr().err
    assert export_command([f"{folder}-onnx"]) == 2
    assert "is exported already" in capsys.readouterr().err
    assert run_command(["--model", f"{folder}-onnx", "--dataset", "sample"]) == 2
    assert "a finished ONNX graph" in capsys.readouterr().err
    assert not list(runs.glob(".*"))


def test_a_graph_that_is_not_the_model_is_not_kept(runs, tmp_path, monkeypatch, capsys):
    def write_other(model, inputs, file):
        with torch.no_grad():
            model.classifier.bias += 0.01
        write_graph(model, inputs, file)
        with torch.no_grad():
            model.classifier.bias -= 0.01

    monkeypatch.setattr(export_module, "write_graph", write_other)
    assert export_command([str(runs / "single_label"), "--output_dir", str(tmp_path / "out")]) == 2
    assert "gives other logits than the model on 1 x 1 tokens, by 0.01" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_damaged_graph_is_refused_in_one_line(exported, tmp_path, capsys):
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((exported / "single_label-onnx" / name).read_bytes())
    assert predict_command([str(tmp_path), "good"]) == 2
    assert "model.onnx" in capsys.readouterr().err
    (tmp_path / "model.onnx").write_bytes((exported / "single_label-onnx" / "model.onnx").read_bytes()[:-100])
    assert predict_command([str(tmp_path), "good"]) == 2
    assert "no graph that ONNX Runtime can read" in capsys.readouterr().err


def test_a_run_whose_data_are_gone_is_exported_and_not_scored(data, tmp_path, caplog):
    copy = write_data(tmp_path / "data")
    run_flags(copy, tmp_path / "run", model="custom-fc")
    (copy / "test.csv").unlink()
    assert export_command([str(tmp_path / "run")]) == 0
    assert "the graph is not scored" in caplog.text
    assert not (tmp_path / "run-onnx" / "report.json").exists()
    assert predict_command([str(tmp_path / "run-onnx"), "good"]) == 0


def test_the_program_in_the_documentation_is_that_of_a_card(exported):
    page = (Path(__file__).parents[2] / "docs" / "exporting.md").read_text()
    shown = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    assert script_of(exported / "single_label-onnx").replace("enable_truncation(9)", "enable_truncation(400)") == shown


def test_the_python_function_exports_too(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "measure_missing", lambda *_: None)
    assert api.export(runs / "ordinal", output_dir=tmp_path / "graph") == tmp_path / "graph"
    assert (tmp_path / "graph" / "model.onnx").is_file()
    with pytest.raises(InputError, match="add --overwrite"):
        api.export(runs / "ordinal", output_dir=tmp_path / "graph")
