"""What changed texts do to a model: the figures are those of its own answers, and are kept, shown and compared."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from helpers import OTHER_TASKS, relabelled, reviews, run_baseline, run_flags, write_csv, write_data

from sentiment_hf import api
from sentiment_hf.cli import compare_command, ensemble_command, robustness_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.inference.test_part import read_test_part
from sentiment_hf.robustness.kept import read_robustness
from sentiment_hf.robustness.measure import Sample
from sentiment_hf.robustness.names import NAMES
from sentiment_hf.robustness.perturbations import PERTURBATIONS
from sentiment_hf.robustness.script import Script
from sentiment_hf.settings.model_ref import ModelRef

FEW = ("num_buckets=4096",)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), test=60)


@pytest.fixture(scope="module")
def home(data, tmp_path_factory) -> Path:
    """Two runs on the same data, and their ensemble."""
    folder = tmp_path_factory.mktemp("runs")
    run_flags(
        data, folder / "ngram", "--num_train_epochs", 10, "--learning_rate", 0.1, model="custom-ngram", settings=FEW
    )
    run_baseline(data, folder / "bayes", "baseline-naive-bayes-bow")
    members = [str(folder / "ngram"), str(folder / "bayes")]
    assert ensemble_command([*members, "--output_dir", str(folder / "both")]) == 0
    return folder


def sample_of(folder: Path, most: int = 500) -> Sample:
    """The rows on which the model in a folder is measured."""
    ref = ModelRef.in_folder(folder)
    return Sample.of(read_test_part(ref, load_scorer(ref).columns, "")[1], most)


def test_the_figures_are_those_of_the_answers_to_the_changed_texts(home, capsys):
    assert robustness_command([str(home / "ngram")]) == 0
    out = capsys.readouterr().out
    found, rows = read_robustness(home / "ngram"), sample_of(home / "ngram")
    labels = [("negative", "positive")[label] for label in rows.labels]

    def answers(texts: list[str]) -> list[str]:
        return [answer["label"] for answer in api.predict(home / "ngram", texts)]

    plain = answers(rows.bare)
    assert found.rows == len(labels) == 60
    assert found.score == pytest.approx(np.mean([a == b for a, b in zip(plain, labels, strict=True)]))
    assert list(found.effects) == list(NAMES)
    for one in PERTURBATIONS:
        script = Script(is_unspaced=False, is_english=True)
        texts = [one.applied(text, row, script) for text, row in zip(rows.bare, rows.places, strict=True)]
        said, effect = answers(texts), found.effects[one.key]
        assert effect.changed == sum(a != b for a, b in zip(texts, rows.bare, strict=True))
        assert effect.score == pytest.approx(np.mean([a == b for a, b in zip(said, labels, strict=True)]))
        assert effect.change == pytest.approx(effect.score - found.score)
        assert effect.interval[0] <= effect.change <= effect.interval[1]
        assert effect.moved == pytest.approx(np.mean([a != b for a, b in zip(said, plain, strict=True)]))
        assert 0 <= effect.p <= 1
        assert f"{NAMES[one.key]} " in out
    # The tokenizer knows no capitals.
    assert (found.effects["upper_case"].moved, found.effects["upper_case"].p) == (0, 1)
    assert found.effects["dropped_20"].moved > 0
    assert found.negations.both_right <= min(found.negations.right, found.negations.negated_right)
    assert "negation: of 32 sentences" in out
    assert not found.left_out


def test_every_kind_of_model_reads_the_same_rows(home, capsys):
    assert robustness_command([str(home / name) for name in ("ngram", "bayes", "both")] + ["--rows", "25"]) == 0
    found = [read_robustness(home / name) for name in ("ngram", "bayes", "both")]
    assert {one.rows for one in found} == {25}
    changed = [{key: effect.changed for key, effect in one.effects.items()} for one in found]
    assert changed[0] == changed[1] == changed[2]
    samples = [sample_of(home / name, 25) for name in ("ngram", "bayes", "both")]
    assert samples[0].bare == samples[1].bare == samples[2].bare
    assert samples[0].places.tolist() == samples[1].places.tolist() == samples[2].places.tolist()
    # More rows contain the fewer ones, with the same numbers.
    assert {*samples[0].places.tolist()} < {*sample_of(home / "ngram", 40).places.tolist()}


def test_the_page_has_the_figures_and_what_was_measured_is_not_measured_again(home, tmp_path, capsys):
    argv = [str(home / "ngram"), str(home / "bayes"), "--robustness", "--output_dir", str(tmp_path)]
    assert robustness_command([str(home / "ngram")]) == 0
    before = (home / "ngram" / "robustness.json").stat().st_mtime_ns
    (home / "bayes" / "robustness.json").unlink(missing_ok=True)
    capsys.readouterr()
    assert compare_command(argv) == 0
    out = capsys.readouterr().out
    assert "bayes  accuracy" in out
    assert "ngram  accuracy" not in out
    assert (home / "ngram" / "robustness.json").stat().st_mtime_ns == before
    results = json.loads((tmp_path / "comparison" / "results.json").read_text())
    assert {one["name"] for one in results["robustness"]} == {"ngram", "bayes"}
    for one in results["robustness"]:
        kept = json.loads(json.dumps(asdict(read_robustness(home / one["name"]))))
        assert all(effect.pop("p_holm") >= effect["p"] for effect in one["effects"].values())
        assert one == {"name": one["name"]} | kept
    page, markdown = ((tmp_path / "comparison" / name).read_text() for name in ("report.html", "report.md"))
    for text in (page, markdown):
        assert "What changed texts do to the answers" in text
        assert "60 test rows, the same for all models" in text
        assert "On 32 pairs of a short English sentence and its negation" in text
        assert "American spelling" in text
    assert re.search(r"ngram</strong> loses .*; its answers change most with ", page)
    dropped = read_robustness(home / "bayes").effects["dropped_20"]
    assert f"| bayes | dropped 20 % | {dropped.changed} | {100 * dropped.score:.2f} |" in markdown
    assert compare_command([word for word in argv if word != "--robustness"]) == 0
    assert "robustness" not in json.loads((tmp_path / "comparison" / "results.json").read_text())


def test_models_of_a_comparison_are_measured_on_the_same_rows(home, tmp_path):
    assert robustness_command([str(home / "bayes"), "--rows", "10"]) == 0
    argv = [str(home / "ngram"), str(home / "bayes"), "--robustness", "--output_dir", str(tmp_path)]
    assert compare_command(argv) == 0
    assert {read_robustness(home / name).rows for name in ("ngram", "bayes")} == {60}


def test_what_was_found_is_gone_with_the_model_that_it_is_of(data, tmp_path):
    run_baseline(data, tmp_path / "run", "baseline-majority")
    assert robustness_command([str(tmp_path / "run")]) == 0
    assert read_robustness(tmp_path / "run").effects["dropped_20"].moved == 0
    run_baseline(data, tmp_path / "run", "baseline-majority", "--seed", 1, "--overwrite")
    assert read_robustness(tmp_path / "run") is None


def test_what_cannot_be_measured_is_said_on_the_page(home, data, tmp_path, capsys):
    run_baseline(data, tmp_path / "majority", "baseline-majority")
    (tmp_path / "majority" / "robustness.json").write_text('{"rows": 60}')
    with pytest.raises(InputError, match=r"robustness\.json is damaged .* remove it, and measure again"):
        read_robustness(tmp_path / "majority")
    argv = [str(home / "ngram"), str(tmp_path / "majority"), "--robustness", "--output_dir", str(tmp_path)]
    assert compare_command(argv) == 3
    assert "1 failed: robustness of majority" in capsys.readouterr().err
    assert "robustness of majority" in (tmp_path / "comparison" / "report.md").read_text()


@pytest.mark.parametrize("task", ["multi_label", "regression", "ordinal"])
def test_labels_numbers_and_ordered_classes_are_measured_too(task, data, tmp_path, capsys):
    labels, flags = OTHER_TASKS[task]
    changed = relabelled(data, tmp_path / "data", labels)
    name = "baseline-ridge-tfidf" if task == "regression" else "baseline-logistic-regression-bow"
    run_baseline(changed, tmp_path / "run", name, *flags)
    assert robustness_command([str(tmp_path / "run")]) == 0
    found, out = read_robustness(tmp_path / "run"), capsys.readouterr().out
    assert found.effects["dropped_20"].moved > 0
    assert found.effects["upper_case"].moved == 0
    assert found.left_out == {"negation": "for two classes called positive and negative"}
    assert ("moves by" in out) == (task == "regression")
    assert compare_command([str(tmp_path / "run"), "--robustness", "--output_dir", str(tmp_path)]) == 0
    page = (tmp_path / "comparison" / "report.html").read_text()
    assert "Left out: negation (for two classes called positive and negative)." in page


def test_chinese_is_changed_by_characters_and_the_rest_is_said_to_be_left_out(tmp_path, capsys):
    letters = str.maketrans("abcdefghilmnoprstuvwy", "的一是不了在人有我他这个们中来上大为和国地")
    for seed, (part, count) in enumerate({"train": 40, "validation": 14, "test": 22}.items()):
        rows = [(text.translate(letters).replace(" ", ""), label) for text, label in reviews(count, seed)]
        write_csv(tmp_path / "data" / f"{part}.csv", rows)
    run_flags(
        tmp_path / "data",
        tmp_path / "run",
        "--tokenizer",
        "char",
        "--max_steps",
        2,
        model="custom-ngram",
        settings=FEW,
    )
    assert robustness_command([str(tmp_path / "run")]) == 0
    assert list(read_robustness(tmp_path / "run").effects) == ["typos_10", "typos_30", "dropped_20", "no_punctuation"]
    out = capsys.readouterr().out
    assert "left out: elongated 10 %, upper case, American spelling, irrelevant end: no meaning in a script" in out
    assert "left out: negation: for English texts, and these are not" in out


def test_what_stands_before_a_text_and_beside_it_stays(tmp_path):
    for seed, (part, count) in enumerate({"train": 40, "validation": 14, "test": 22}.items()):
        rows = [
            (*row, index % 5, ("Berlin", "Bonn", "Rome")[index % 3]) for index, row in enumerate(reviews(count, seed))
        ]
        write_csv(tmp_path / "data" / f"{part}.csv", rows, ("text", "label", "stars", "city"))
    columns = ["--extra_column_names", "stars,city"]
    for name, more in (("beside", []), ("before", ["--columns_as_text"])):
        run_flags(
            tmp_path / "data", tmp_path / name, *columns, *more, "--max_steps", 2, model="custom-ngram", settings=FEW
        )
        assert robustness_command([str(tmp_path / name)]) == 0
    beside, before = (sample_of(tmp_path / name) for name in ("beside", "before"))
    assert beside.bare == before.bare
    (changed,) = before.with_texts(np.array([3]), ["other words"])
    assert changed == before.inputs[3].removesuffix(before.bare[3]) + "other words"
    assert changed.startswith("stars: ")
    rows = beside.with_texts(np.array([3]), ["other words"])
    assert rows.texts == ["other words"]
    assert rows.columns.numbers.tolist() == beside.inputs.columns.numbers[[3]].tolist()
    members = [str(tmp_path / name) for name in ("beside", "before")]
    assert ensemble_command([*members, "--output_dir", str(tmp_path / "both")]) == 0
    assert robustness_command([str(tmp_path / "both")]) == 2


def test_what_is_no_run_is_refused_before_anything_is_measured(home, data, tmp_path, capsys):
    (home / "bayes" / "robustness.json").unlink(missing_ok=True)
    for argv, said in (
        ([str(home / "bayes"), str(data)], "data"),
        ([str(home / "bayes"), "me/x"], "me/x is no run with test rows; name the folder of a run"),
        ([str(home / "bayes"), "--rows", "0"], "--rows 0 must be at least 1"),
        ([], "FOLDER"),
    ):
        assert robustness_command(argv) == 2
        assert said in capsys.readouterr().err
    for file in data.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    run_baseline(tmp_path, tmp_path / "run", "baseline-naive-bayes-bow")
    (tmp_path / "test.csv").unlink()
    assert robustness_command([str(tmp_path / "run")]) == 2
    assert "its test rows cannot be read again" in capsys.readouterr().err
    assert not (tmp_path / "run" / "robustness.json").exists()
    assert not (home / "bayes" / "robustness.json").exists()
