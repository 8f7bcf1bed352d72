"""Runs with columns beside the text: --extra_column_names and --columns_as_text."""

import json
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import BAD, GOOD, OTHER, Stop, flags, run_baseline, run_flags, run_until, save_bert, weights, write_csv
from torch.testing import assert_close

from sentiment_hf import api
from sentiment_hf.baselines.estimators import FOR_NUMBERS
from sentiment_hf.cli.predict import predict_main
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import load_splits
from sentiment_hf.inference.make_ensemble import make_ensemble
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.runs.method import method_of
from sentiment_hf.runs.run import run
from sentiment_hf.settings.model_ref import BASELINE_NAMES
from sentiment_hf.settings.run_flags import parse_run

HEADER = ("text", "country", "price", "id", "copy", "same", "label")
EXTRA = ("--extra_column_names", "price,country")
ROWS = {"train": 60, "validation": 20, "test": 24}


def rows(count: int, seed: int) -> list[tuple]:
    """The class is whether a good word stands beside a high price; now and then a cell is missing."""
    chance = random.Random(seed)
    found = []
    for index in range(count):
        good, dear = index % 2 == 0, index // 2 % 2 == 0
        words = [*chance.choices(OTHER, k=4), chance.choice(GOOD if good else BAD)]
        country = chance.choice(["de", "fr", "it", ""])
        price = "" if index % 13 == 7 else f"{chance.gauss(40 if dear else 20, 1):.2f}"
        label = "yes" if good == dear else "no"
        found.append((" ".join(words), country, price, f"row{seed}{index}", label[0], "x", label))
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, (split, count) in enumerate(ROWS.items()):
        write_csv(folder / f"{split}.csv", rows(count, seed), HEADER)
    return folder


@pytest.fixture(scope="module")
def bert(data, tmp_path_factory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"), data)


@pytest.fixture(scope="module")
def gru(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gru")
    run_flags(data, folder, *EXTRA)
    return folder


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    run_flags(data, folder)
    return folder


@pytest.fixture(scope="module")
def wrapped(data, bert, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wrapped")
    run_flags(data, folder, *EXTRA, model=bert, settings=())
    return folder


def predicted(model: Path, file: Path, tmp_path: Path) -> np.ndarray:
    """(rows, 2) probabilities of no and yes by `predict --file`."""
    predict_main([str(model), "--file", str(file), "--output", str(tmp_path / "out.parquet"), "--no_cache"])
    table = pq.read_table(tmp_path / "out.parquet")
    return np.stack([table[f"probability_{name}"].to_numpy() for name in ("no", "yes")], 1)


def in_training(folder: Path) -> np.ndarray:
    """(rows, 2) probabilities of test by the run itself."""
    table = pq.read_table(folder / "predictions.parquet")
    return np.stack([table[f"probability_{name}"].to_numpy() for name in ("no", "yes")], 1)


def same_as_in_training(folder: Path, data: Path, tmp_path: Path) -> None:
    assert predicted(folder, data / "test.csv", tmp_path) == pytest.approx(in_training(folder), abs=1e-3)


def test_a_custom_model_predicts_a_file_as_in_training(gru, data, tmp_path):
    same_as_in_training(gru, data, tmp_path)
    config = json.loads((gru / "config.json").read_text())
    prices = [float(row[2]) for row in rows(ROWS["train"], 0) if row[2]]
    assert config["number_columns"] == {"price": [pytest.approx(np.mean(prices)), pytest.approx(np.std(prices))]}
    assert config["category_columns"] == {"country": ["de", "fr", "it"]}


@pytest.mark.parametrize("tuning", ["head", "lora", pytest.param("dora", marks=pytest.mark.slow)])
def test_a_tuned_checkpoint_is_saved_whole_and_predicts_a_file_as_in_training(tuning, data, bert, tmp_path):
    more = ("--tuning", "lora", "--use_dora") if tuning == "dora" else ("--tuning", tuning)
    run_flags(data, tmp_path / "run", *EXTRA, *more, "--learning_rate", "1e-2", model=bert, settings=())
    assert not list((tmp_path / "run").glob("adapter*"))
    assert {"wrapped.py", "columns.py"} <= {path.name for path in (tmp_path / "run").iterdir()}
    same_as_in_training(tmp_path / "run", data, tmp_path)


def test_a_checkpoint_with_columns_is_scored_and_trained_on(wrapped, data, tmp_path):
    same_as_in_training(wrapped, data, tmp_path)
    scored = run_flags(data, tmp_path / "scored", "--do_predict", model=wrapped, settings=())
    assert scored["test"]["accuracy"] == json.loads((wrapped / "report.json").read_text())["test"]["accuracy"]
    run_flags(data, tmp_path / "on", *EXTRA, model=wrapped, settings=())
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (wrapped, tmp_path / "on"))
    assert before["number_columns"] == after["number_columns"]
    same_as_in_training(tmp_path / "on", data, tmp_path)


@pytest.mark.parametrize("name", [name for name in BASELINE_NAMES if name not in FOR_NUMBERS])
def test_a_baseline_predicts_a_file_as_in_training(name, data, tmp_path):
    run_baseline(data, tmp_path / "run", name, *EXTRA)
    same_as_in_training(tmp_path / "run", data, tmp_path)


@pytest.mark.parametrize("model", ["custom-gru", "bert", "baseline-ridge-tfidf"])
def test_a_regression_reads_columns_too(model, data, bert, tmp_path):
    task = (*("--task", "regression", "--label_column_name", "price"), "--extra_column_names", "country,label")
    numbers = tmp_path / "numbers"
    for split, count in ROWS.items():
        whole = [row for row in rows(count, len(split)) if row[2]]
        write_csv(numbers / f"{split}.csv", whole, HEADER)
    if model.startswith("baseline"):
        run_baseline(numbers, tmp_path / "run", model, *task)
    else:
        custom = {} if model == "custom-gru" else {"model": bert, "settings": ()}
        run_flags(numbers, tmp_path / "run", *task, **custom)
    predict_main([str(tmp_path / "run"), "--file", str(numbers / "test.csv"), "--output", str(tmp_path / "o.parquet")])
    files = (tmp_path / "o.parquet", tmp_path / "run" / "predictions.parquet")
    answers, expected = (pq.read_table(file)["prediction"].to_numpy() for file in files)
    assert answers == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("model", ["custom-gru", "baseline-nb-svm"])
def test_columns_as_text_stand_in_front_of_the_text_in_prediction_too(model, data, tmp_path):
    if model == "custom-gru":
        run_flags(data, tmp_path / "run", *EXTRA, "--columns_as_text")
        assert "country" in (tmp_path / "run" / "tokenizer.json").read_text()
    else:
        run_baseline(data, tmp_path / "run", model, *EXTRA, "--columns_as_text")
    same_as_in_training(tmp_path / "run", data, tmp_path)


def columns_of(part: list[tuple]) -> dict[str, list]:
    """The columns of these rows as a program has them."""
    return {
        "country": [row[1] or None for row in part],
        "price": [float(row[2]) if row[2] else None for row in part],
    }


@pytest.mark.parametrize("kind", ["gru", "wrapped", "as text", "baseline", "ensemble"])
def test_the_python_function_takes_columns(kind, gru, wrapped, plain, data, tmp_path):
    folder = {"gru": gru, "wrapped": wrapped}.get(kind, tmp_path / "run")
    if kind == "as text":
        run_flags(data, folder, *EXTRA, "--columns_as_text")
    elif kind == "baseline":
        run_baseline(data, folder, "baseline-logistic-regression-tfidf", *EXTRA)
    elif kind == "ensemble":
        make_ensemble([gru, plain], str(folder), "mean", overwrite=False)
    part = rows(ROWS["test"], 2)
    answers = api.predict(str(folder), [row[0] for row in part], columns=columns_of(part))
    found = np.array([[answer["scores"][name] for name in ("no", "yes")] for answer in answers])
    assert found == pytest.approx(in_training(folder), abs=1e-3)
    alone = api.predict(str(folder), [row[0] for row in part])
    assert [answer["scores"] for answer in alone] != [answer["scores"] for answer in answers]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"price": [1], "country": ["de"]}, "'price' is to have a value for each of the 2 texts"),
        ({"price": "ab", "country": ["de", "fr"]}, "'price' is to have a value for each of the 2 texts"),
        ({"price": [1, 2]}, "columns: the model was trained with the columns price, country, and there is no column"),
        ({"price": [1, "dear"], "country": ["de", None]}, "columns, text 2: 'price' is 'dear', and the column is one"),
    ],
)
def test_the_python_function_refuses_columns_that_do_not_fit(columns, message, gru):
    with pytest.raises(InputError, match=message):
        api.predict(str(gru), ["a film", "a soup"], columns=columns)


def test_the_python_function_refuses_columns_for_a_model_without(plain):
    with pytest.raises(InputError, match="the model reads the text alone"):
        api.predict(str(plain), ["a film"], columns={"price": [1]})


def test_a_text_alone_is_classified_and_the_missing_columns_are_said(gru, capsys):
    predict_main([str(gru), "a good film"])
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 1
    assert "price, country" in shown.err
    assert "missing" in shown.err


def test_a_file_without_a_column_is_refused(gru, data, tmp_path):
    write_csv(tmp_path / "less.csv", [("good", "1")], ("text", "prize"))
    with pytest.raises(InputError, match="no column 'price', did you mean 'prize'"):
        predict_main([str(gru), "--file", str(tmp_path / "less.csv")])
    write_csv(tmp_path / "word.csv", [("good", "cheap", "de")], ("text", "price", "country"))
    with pytest.raises(InputError, match=r"line 2.*'price' is 'cheap'.*expected a number"):
        predict_main([str(gru), "--file", str(tmp_path / "word.csv")])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("prize", "no column 'prize', did you mean 'price'"),
        ("price,text", "'text' is the text or the label"),
        ("label", "'label' is the text or the label"),
        ("same", "same value in 'same'"),
        ("copy", "'copy' says the class of every row"),
        ("id", "'id' has 60 different values in 60 rows"),
    ],
)
def test_a_column_of_no_use_is_refused_in_one_line(names, message, data, tmp_path):
    with pytest.raises(InputError, match=message):
        run_flags(data, tmp_path / "run", "--extra_column_names", names)
    assert not (tmp_path / "run").exists()


def test_a_model_and_other_columns_are_refused(wrapped, plain, bert, data, tmp_path):
    for model, extra, message in [
        (wrapped, ("--extra_column_names", "price"), "trained with price, country"),
        (wrapped, ("--do_train",), "give --extra_column_names price,country"),
        (plain, EXTRA, "has no layer for columns"),
        (plain, ("--do_predict", *EXTRA), "was trained on texts alone; leave the flag out"),
    ]:
        with pytest.raises(InputError, match=message):
            run_flags(data, tmp_path / "run", *extra, model=model, settings=())
    with pytest.raises(InputError, match="name them by --extra_column_names"):
        run_flags(data, tmp_path / "run", "--columns_as_text")


def test_a_run_without_columns_is_the_run_that_it_was(plain):
    assert not {"extra_column_names", "columns_as_text"} & json.loads((plain / "run.json").read_text()).keys()
    assert "extra" not in json.loads((plain / "reading.json").read_text())
    assert json.loads((plain / "report.json").read_text())["data"]["columns"] == {"text": ["text"], "label": "label"}


def test_the_same_folder_with_other_columns_is_another_run(gru, plain, data):
    for folder, extra in ((gru, ()), (gru, ("--extra_column_names", "price")), (plain, EXTRA)):
        with pytest.raises(InputError, match="holds another run"):
            run_flags(data, folder, *extra)


def test_runs_with_and_without_columns_are_methods_of_one_table(gru, plain, data, tmp_path):
    run_flags(data, tmp_path / "text", *EXTRA, "--columns_as_text")
    run_flags(data, tmp_path / "price", "--extra_column_names", "price")
    runs = load_runs([gru, plain, tmp_path / "text", tmp_path / "price"])
    assert len({method_of(one.report, one.folder) for one in runs}) == 4


def test_each_member_of_an_ensemble_reads_its_own_columns(gru, plain, wrapped, data, tmp_path):
    run_flags(data, tmp_path / "text", *EXTRA, "--columns_as_text")
    folders = [plain, gru, wrapped, tmp_path / "text"]
    make_ensemble(folders, str(tmp_path / "ensemble"), "mean", False)
    expected = np.mean([predicted(folder, data / "test.csv", tmp_path) for folder in folders], axis=0)
    assert predicted(tmp_path / "ensemble", data / "test.csv", tmp_path) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("tuning", ["new", pytest.param("lora", marks=pytest.mark.slow)])
def test_an_interrupted_run_gives_the_same_weights(tuning, data, bert, tmp_path):
    more = {} if tuning == "new" else {"model": bert, "settings": ()}
    extra = (*EXTRA, "--save_strategy", "steps", "--save_steps", "3", "--eval_strategy", "steps", "--eval_steps", "3")
    extra += () if tuning == "new" else ("--tuning", "lora")
    run_flags(data, tmp_path / "whole", *extra, **more)
    argv = flags(data, tmp_path / "stopped", *extra, **more)
    run_until(Stop(5), argv)
    run(parse_run(argv))
    assert_close(weights(tmp_path / "stopped"), weights(tmp_path / "whole"), atol=0, rtol=0)


def test_parts_taken_from_train_and_samples_keep_their_cells(data, tmp_path):
    argv = flags(data, tmp_path / "run", *EXTRA, "--max_train_samples", "30", "--max_predict_samples", "10")
    spec = parse_run(argv)
    spec.data.validation_file = spec.data.test_file = None
    splits = load_splits(spec.data)
    price_of = {row[0]: float(row[2] or "nan") for row in rows(ROWS["train"], 0)}
    for part in (splits.train, splits.validation, splits.test):
        expected = np.array([price_of[text] for text in part], np.float32)
        assert np.array_equal(part.extra.numbers[:, 0], expected, equal_nan=True)
    assert splits.data_hash != load_splits(parse_run(flags(data, tmp_path / "run")).data).data_hash
