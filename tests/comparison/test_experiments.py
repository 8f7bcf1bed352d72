"""The grid of a recipe, the recipes of the experiments, their page and its pictures, and trained word vectors."""

import itertools
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import is_printed, published_rows, wilson, write_data
from test_compare import files, results
from test_page import around, comparison, read

from sentiment_hf.cli import compare_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.comparison.page.drawing import ScoreAxis
from sentiment_hf.comparison.page.figures import train_rows_pictures
from sentiment_hf.comparison.page.grid_figure import grid_pictures
from sentiment_hf.comparison.page.page import write_page
from sentiment_hf.comparison.plan.flags import parse_compare
from sentiment_hf.comparison.plan.grid import expand
from sentiment_hf.comparison.plan.plan import plan
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.tasks.single_label import ACCURACY

AXIS = ScoreAxis(ACCURACY)

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("forked")
RECIPES = sorted((ROOT / "configs" / "experiments").glob("*.yaml"))
assert RECIPES
PAGE = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
PUBLISHED = sorted(path.name for path in (ROOT / "results" / "experiments").glob("*") if path.is_dir())
assert PUBLISHED

each_recipe = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)


def recipe(folder: Path, models: object, grid: object, **more) -> Path:
    """A recipe of compare."""
    path = folder / "mine.yaml"
    named = {} if models is None else {"models": models}
    path.write_text(yaml.safe_dump(named | {"grid": grid} | more, sort_keys=False))
    return path


def test_a_grid_is_a_model_for_each_combination_named_by_its_settings(tmp_path):
    model = "custom-{cell} --model_config pooling={pooling} use_mask={mask} --per_device_train_batch_size {batch}"
    grid = {"cell": ["rnn", "gru"], "pooling": ["last", "mean"], "mask": [True, False], "batch": [8, 16]}
    args = parse_compare(["--config", str(recipe(tmp_path, model, grid)), "--seeds", "1", "--dataset", "sample"])
    assert len(args.models) == 2**4
    assert args.grid == grid
    first, *_ = args.models.items()
    assert first[0] == "custom-rnn-last-mask-batch8"
    assert first[1].flags == [
        *["--model", "custom-rnn", "--model_config", "pooling=last", "use_mask=true"],
        *["--per_device_train_batch_size", "8"],
    ]
    assert first[1].settings == {"cell": "rnn", "pooling": "last", "mask": True, "batch": 8}
    assert "custom-gru-mean-no-mask-batch16" in args.models
    assert len({run.folder for run in plan(args)[0]}) == 2**4


def test_a_grid_of_a_named_model_keeps_the_name(tmp_path):
    path = recipe(tmp_path, {"mine": "custom-{cell}"}, {"cell": ["rnn", "gru"]})
    assert list(parse_compare(["--config", str(path), "--dataset", "sample"]).models) == ["mine-rnn", "mine-gru"]


def test_a_value_stays_one_word():
    ((words, settings),) = expand("x --word_vectors {file}", {"file": ["my vectors.txt"]})
    assert words == "x --word_vectors 'my vectors.txt'"
    assert settings == {"file": "my vectors.txt"}


@pytest.mark.parametrize(
    ("models", "grid", "said"),
    [
        ("custom-lstm --seeds 1", {"batch": [16]}, "has no {batch}"),
        ("custom-{cell} --vocab_size {size}", {"cell": ["rnn"]}, "no values for {size}"),
        ("custom-{cell}", None, "no values for {cell}"),
        ("custom-lstm --truncation {a}", {"a": ["head", "head"]}, "two combinations are called custom-lstm-head"),
        (["custom-{cell}", "custom-fc"], {"cell": ["rnn"]}, "one model"),
        ("custom-{cell}", {"cell": []}, "cell: expected a list"),
        ("custom-{cell}", {"cell": "rnn"}, "cell: expected a list"),
        ("custom-{cell}", [1], "expected keys with their values"),
        ("custom-{cell}", {"cell": ["rnm"]}, "custom-rnn"),
        (None, {"cell": ["rnn"]}, "those of a model"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused_by_name(models, grid, said, tmp_path, capsys):
    path = recipe(tmp_path, models, grid, dataset="sample")
    assert compare_command([*(["out"] if models is None else []), "--config", str(path)]) == 2
    assert said in capsys.readouterr().err


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The folder of a finished grid of two by two, with a seed each."""
    folder = tmp_path_factory.mktemp("grid")
    small = "custom-fc --model_config embedding_size=8 hidden_size={hidden} --learning_rate {rate} --min_frequency 1"
    path = recipe(folder, small, {"hidden": [8, 16], "rate": [0.01, 0.1]}, seeds=1, max_steps=20)
    data = write_data(folder / "data", train=60)
    argv = ["--config", str(path), "--output_dir", str(folder / "out"), "--num_cpu_threads", "1", *files(data)]
    assert compare_command(argv) == 0
    return folder / "out"


def test_the_results_of_a_grid_say_where_each_model_stands(made):
    found = results(made)
    assert found["grid"] == {"hidden": [8, 16], "rate": [0.01, 0.1]}
    settings = {model["name"]: model["settings"] for model in found["settings"]}
    assert settings == {
        f"custom-fc-hidden{hidden}-rate{rate}": {"hidden": hidden, "rate": rate}
        for hidden, rate in itertools.product([8, 16], [0.01, 0.1])
    }


def test_the_page_of_a_grid_has_its_section_and_picture(made):
    page = read(made / "comparison")
    assert "grid" in page.headings()
    (said,) = (tag["aria-label"] for name, tag in page.tags if name == "svg" and "against hidden" in tag["aria-label"])
    for model in results(made)["settings"]:
        assert f"{100 * model['validation']['value']:.1f} %" in said
    assert (
        "| hidden | rate | validation accuracy (%) | test accuracy (%) |"
        in (made / "comparison" / "report.md").read_text()
    )


def test_of_a_grid_test_is_shown_for_the_setting_that_validation_chose_alone(made):
    found = results(made)
    best = max(found["settings"], key=lambda model: model["validation"]["value"])
    (chosen,) = found["models"]
    assert chosen["validation"]["value"] == best["validation"]["value"]
    assert [model["name"] for model in found["settings"] if model["test"]] == [chosen["name"]]
    assert (found["pairs"], found["candidates"]) == ([], 4)
    assert "of 4 settings on validation" in found["advice"][0]
    assert "which flatters the best of 4" in found["advice"][0]
    assert "test is shown for the chosen setting alone" in (made / "comparison" / "report.html").read_text().lower()


def test_all_test_scores_of_a_grid_are_shown_when_asked_for_and_marked(made, tmp_path):
    output = shutil.copytree(made, tmp_path / "out")
    data = made.parent / "data"
    argv = ["--config", str(made.parent / "mine.yaml"), "--output_dir", str(output), "--num_cpu_threads", "1"]
    assert compare_command([*argv, *files(data), "--show_all_test"]) == 0
    found = results(output)
    assert len(found["models"]) == len([model for model in found["settings"] if model["test"]]) == 4
    assert "whoever chooses a setting by it has no test left" in (output / "comparison" / "report.md").read_text()


def test_show_all_test_without_a_grid_is_refused(capsys):
    assert compare_command(["--models", "custom-fc", "--dataset", "sample", "--show_all_test"]) == 2
    assert "--show_all_test is for the settings of a grid" in capsys.readouterr().err


def test_runs_compared_without_their_recipe_have_no_grid(made, tmp_path):
    runs = [str(path.parent) for path in made.glob("*/report.json")]
    assert compare_command([*runs, "--output_dir", str(tmp_path)]) == 0
    found = results(tmp_path)
    assert found["grid"] is None
    assert all(model["settings"] == {} for model in found["models"])
    assert "grid" not in read(tmp_path / "comparison").headings()


def with_grid(grid: dict) -> dict:
    """A comparison of a model for each combination."""
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    content = comparison([f"model-{index}" for index in range(len(combinations))])
    for index, (model, settings) in enumerate(zip(content["models"], combinations, strict=True)):
        model |= {"settings": settings, "accuracy": around(0.6 + 0.02 * index)}
    return content | {"grid": grid, "settings": [model | {"test": None} for model in content["models"]]}


@pytest.mark.parametrize(
    ("grid", "label"),
    [
        ({"batch": [16, 32, 128]}, "batch (log scale)"),
        ({"layers": [1, 2, 4]}, "layers"),
        ({"layers": [0, 10]}, "layers"),
        ({"pooling": ["last", "mean"], "mask": [True, False]}, "pooling"),
        ({"mask": [True, False], "cell": ["rnn", "a" * 60]}, "mask"),
        ({"checkpoint": ["google/bert", "b" * 20, "c"]}, "checkpoint"),
    ],
)
def test_the_picture_of_a_grid_names_its_axis_values_and_lines(grid, label, tmp_path):
    content = with_grid(grid)
    missing = content["models"].pop()
    content["settings"].pop()
    content["pairs"] = [pair for pair in content["pairs"] if missing["name"] not in (pair["a"], pair["b"])]
    content["settings"][0] |= {"train_minutes": None}
    content["models"][0] |= {"log_loss": None, "train_minutes": None}
    write_page(content, tmp_path, texts=False)
    source = (tmp_path / "report.html").read_text()
    svg = re.search(r'<svg[^>]*aria-label="Accuracy and cost against.*?</svg>', source, re.DOTALL)[0]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert label in texts
    assert {str(value).lower().removeprefix("google/") for value in next(iter(grid.values()))} <= set(texts)
    if "mask" in list(grid)[1:]:
        assert {"mask", "no-mask"} <= set(texts)


def test_the_picture_of_a_grid_has_no_times_of_runs_side_by_side(tmp_path):
    content = with_grid({"batch": [16, 32, 128]})
    assert "training (minutes)" in grid_pictures(content, AXIS)[0].svg
    content["settings"] = [model | {"side_by_side": 2} for model in content["settings"]]
    assert "training (minutes)" not in grid_pictures(content, AXIS)[0].svg


def words(path: Path) -> list[str]:
    """What stands behind compare.py in the first line of a recipe."""
    found = re.match(r"# python scripts/compare\.py (.*)\n", path.read_text(encoding="utf-8"))
    assert found, "a recipe opens with its command"
    return found[1].split()


@each_recipe
def test_a_recipe_opens_with_its_command_and_its_size(path):
    assert words(path)[:2] == ["--config", str(path.relative_to(ROOT))]
    opening = path.read_text(encoding="utf-8").split("\nmodels:")[0]
    args = parse_compare(["--config", str(path)])
    sizes = 1 + len(args.learning_curve)
    runs = sum(candidate.seeds for candidate in args.models.values()) * sizes
    assert f"# {runs} runs " in opening
    assert "on two cores" in opening or "on one core" in opening


@each_recipe
def test_every_run_of_a_recipe_is_understood(path, tmp_path):
    args = parse_compare(["--config", str(path), "--dataset", "sample", "--output_dir", str(tmp_path)])
    assert len(args.models) > 1
    for candidate in args.models.values():
        parse_run(args.words(candidate.flags))
    if all(ModelRef.parse(candidate.flags[1]).is_new for candidate in args.models.values()):
        planned, *_ = plan(args)
        assert {run.model for run in planned} == set(args.models)
    else:
        with pytest.raises(InputError, match="google/bert_uncased"):
            plan(args)


@each_recipe
def test_a_recipe_names_no_data_set(path):
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert not {"dataset", "dataset_name", "train_file"} & settings.keys()


@each_recipe
def test_the_page_of_the_experiments_has_a_section_for_each_recipe(path):
    section = PAGE.split(f"configs/experiments/{path.name}")[1].split("\n## ")[0]
    assert f"<!-- table {path.stem} -->" in section
    published = path.stem in PUBLISHED
    assert ("Not run yet." in section) != published
    assert (f"experiments/{path.stem}.svg" in section) == published


each_published = pytest.mark.parametrize("name", PUBLISHED)


@each_published
def test_tables_and_pictures_of_the_page_are_those_of_the_results(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import experiments

    content = experiments.load_experiment(ROOT / "results" / "experiments" / name)
    assert f"<!-- table {name} -->\n{experiments.experiment_table(content)}\n<!-- end -->" in PAGE
    (picture,) = grid_pictures(content, AXIS) or train_rows_pictures(content["learning_curve"], AXIS)
    said = re.search(r'aria-label="[^"]*"', picture.svg)[0]
    assert re.search(r"\d\d\.\d %", said)
    assert said in (ROOT / "docs" / "experiments" / f"{name}.svg").read_text(encoding="utf-8")


@each_published
def test_figures_of_the_page_are_those_of_the_predictions(name):
    """Counted anew from the files, by nothing of the package; all ran with one seed."""
    table = re.search(rf"<!-- table {name} -->\n(.*\n)\|[-|:]*\|\n((?:\|.*\n)+)<!-- end -->", PAGE)
    heads, *rows = [line.strip("| ").split(" | ") for line in (table[1] + table[2]).splitlines()]
    found = 0
    for run, labels, logs in published_rows(ROOT / "results" / "experiments" / name):
        right = np.array(wilson(logs.argmax(1) == labels)) * 100
        if "by training" in heads[0]:
            column = heads.index(f"{run['data']['rows']['train']:,}")
            (row,) = (row for row in rows if row[0] == re.sub(r"(-\d+rows)?-seed0$", "", run["run"]))
            assert is_printed(row[column], *right)
            found += 1
            continue
        exact = np.exp(logs.astype(np.float64))
        losses = -np.log((exact[range(len(labels)), labels] / exact.sum(1)).clip(2**-24))
        half = 1.959964 * losses.std() / math.sqrt(len(losses))
        loss, minutes = [losses.mean() + sign * half for sign in (0, -1, 1)], run["train_seconds"] / 60
        own = [row for row in rows if is_printed(row[-3], *right) and is_printed(row[-2], *loss)]
        (row,) = (row for row in own if is_printed(row[-1], minutes))
        assert row[-4].startswith(f"{100 * run['validation']['accuracy']:.2f}, ")
        assert all(word in run["run"] or word in ("true", "false") for word in row[:-4])
        found += 1
    assert found == (sum(len(row) - 1 for row in rows) if "by training" in heads[0] else len(rows))


def test_runs_of_an_experiment_become_a_table_and_a_picture_of_the_page(made, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import experiments
    import keep_results

    (tmp_path / "recipes").mkdir()
    shutil.copy(made.parent / "mine.yaml", tmp_path / "recipes")
    keep_results.main([str(tmp_path / "results" / "mine"), *map(str, made.iterdir())])
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "experiments.md"
    page.write_text("# Before\n<!-- table mine -->\nold\n<!-- end -->\nafter\n")
    for name, value in (("RECIPES", tmp_path / "recipes"), ("RESULTS", tmp_path / "results"), ("PAGE", page)):
        monkeypatch.setattr(experiments, name, value)
    experiments.main()
    first = page.read_text()
    assert "old" not in first
    assert len(re.findall(r"^\| (8|16) \| 0\.0?1 \|", first, re.MULTILINE)) == 4
    assert (tmp_path / "docs" / "experiments" / "mine.svg").read_text().startswith("<svg xmlns=")
    experiments.main()
    assert page.read_text() == first
    page.write_text("# Nothing\n")
    with pytest.raises(InputError, match="the section of mine has no place"):
        experiments.main()
