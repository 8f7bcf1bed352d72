"""The comparison page: self-contained, escaped, the same each time, readable at every width and printed."""

import csv
import html
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sentiment_hf.comparison.page import drawing, figures
from sentiment_hf.comparison.page.drawing import (
    accuracy_ticks,
    canvas,
    clipped,
    error_scale,
    label_points,
    spread_heights,
)
from sentiment_hf.comparison.page.page import write_page
from sentiment_hf.tasks.single_label import ACCURACY

ROOT = Path(__file__).parents[2]
FILES = ("report.html", "report.md", "results.csv", "results.json")
SECRET = "zanzibar"
HOSTILE = (
    '<script>document.title = "owned"</script>',
    '=HYPERLINK("http://example.org"; "x")',
    "a|b `code` *bold* [x](y)",
    '"><img src=x onerror=alert(1)>',
    "$x_1^2$ \\frac {{ 7 * 7 }}",
)
KINDS = (("scratch", "scratch"), ("pretrained", "lora"), ("baseline", "baseline"), ("ensemble", "ensemble"))


def around(value: float) -> dict:
    """An interval."""
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def model(index: int, name: str, labels: list[str]) -> dict:
    """Model number `index`, the best first."""
    accuracy = 0.93 - 0.013 * index
    kind, tuning = KINDS[index % len(KINDS)]
    confusion = [[900 if row == column else 10 + index for column in range(len(labels))] for row in range(len(labels))]
    speed = 4000.0 / (1 + index)
    return {
        "name": name,
        "kind": kind,
        "tuning": tuning,
        "seeds": [0] if index % 3 == 1 else [0, 1, 2],
        "folders": [name],
        "settings": {},
        "validation": around(accuracy + 0.005),
        **{"accuracy": around(accuracy), "f1_macro": around(accuracy - 0.002)},
        **{"log_loss": around(0.25), "calibration_error": around(0.03)},
        **({"top3_accuracy": around(0.99)} if len(labels) > 10 else {}),
        "accuracy_by_seed": [accuracy],
        **{"parameters": 4_104_706, "trained_parameters": 812_162, "bytes_on_disk": 16_418_824},
        **{"train_minutes": 0.07 * 3**index, "train_tokens_per_second": 51_632.0, "peak_memory_bytes": 1_798_287_360},
        "inference": {
            **{"texts_per_second_one_core": speed, "texts_per_second_all_cores": 1.8 * speed, "cores": 2},
            **{"latency_p50_ms": 1500 / speed, "latency_p95_ms": 2900 / speed, "rows": 1000},
        },
        "confusion": confusion,
        "per_class": {label: {"precision": 0.9, "recall": 0.9, "f1": 0.9, "rows": 900} for label in labels},
        "reliability": [{"confidence": at, "accuracy": at - 0.04, "rows": 300} for at in (0.55, 0.7, 0.85, 0.97)],
        "by_length": [
            {"from": low, "to": high, "rows": 200, "accuracy": around(accuracy - low / 20_000)}
            for low, high in ((12, 640), (641, 1210), (1211, 13_704))
        ],
        "by_column": {
            "phenomenon": [
                {"value": value, "rows": 20, "accuracy": around(accuracy)} for value in ("plain", "negation")
            ]
        },
        "curve": [
            {
                **{"step": 100 * epoch, "epoch": epoch, "validation_accuracy": accuracy - 0.2 / epoch},
                **{"validation_loss": 0.3 + 0.2 / epoch, "train_loss": 0.6 / epoch},
            }
            for epoch in (1, 2, 3)
        ],
        "single_seed": index % 3 == 1,
    }


def pair(a: dict, b: dict) -> dict:
    """Two models side by side; one point is enough to differ here."""
    difference = a["accuracy"]["value"] - b["accuracy"]["value"]
    p = 0.0004 if difference > 0.02 else 0.21
    return {
        **{"a": a["name"], "b": b["name"], "difference": difference, "only_a": 120, "only_b": 80},
        **{"p": p, "p_holm": p, "differs": p < 0.05, "mcnemar_p": p, "mcnemar_p_holm": p},
        "claim": "trained models" if a["single_seed"] or b["single_seed"] else "methods",
        **{"f1_difference": around(difference), "f1_p": p, "f1_p_holm": p},
    }


def comparison(names: list[str], labels: tuple[str, ...] = ("neg", "pos"), text: str = SECRET) -> dict:
    """All sections have something to show."""
    labels = list(labels)
    models = [model(index, name, labels) for index, name in enumerate(names)]
    votes = {name: labels[index % len(labels)] for index, name in enumerate(names)}
    sizes = (225, 2250, 22_500)
    return {
        "dataset": "reviews",
        "labels": labels,
        "rows": {"train": 22_500, "validation": 2500, "test": 25_000},
        "data_hash": "ab" * 32,
        "devices": ["x86_64, 2 threads"],
        "versions": {"torch": "2.13.0", "python": "3.11.7"},
        "validation_part": "10 % of train, stratified, seed 42",
        "models": models,
        "candidates": len(models),
        "alike_on_validation": names[:2],
        "learning_curve": [
            {
                **{"name": one["name"], "kind": one["kind"]},
                "points": [
                    {"train_rows": n, "accuracy": around(0.6 + 0.05 * i), "validation": 0.7}
                    for i, n in enumerate(sizes)
                ],
            }
            for one in models
        ],
        "pairs": [pair(a, b) for a, b in itertools.combinations(models, 2)],
        "groups": [list(pair) for pair in itertools.pairwise(names)] or [names],
        "pareto": {"train_minutes": names[:2], "inference": names[:2]},
        "disagreements": [{"row": 1017, "label": labels[0], "predictions": votes, "text": f"{text} one"}],
        "label_errors": [
            {"row": 2042, "label": labels[0], "predicted": labels[-1], "probability": 0.98, "text": f"{text} two"}
        ],
        "grid": None,
        "settings": [],
        "failed": [{"name": "custom-rnn seed 1", "reason": "the loss is not finite at step 311"}],
        "advice": ["custom-lstm is 2.1 points below the best and 60 times cheaper per text."],
    }


NAMES = ["custom-lstm", "all-minilm-l6-v2-lora", "nb-svm", "ensemble"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The page of four models of all kinds."""
    folder = tmp_path_factory.mktemp("page")
    write_page(comparison(NAMES), folder, texts=True)
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """The page of a comparison in which whatever comes from users attacks it."""
    folder = tmp_path_factory.mktemp("hostile")
    content = comparison(list(HOSTILE), labels=HOSTILE[:3], text=" ".join(HOSTILE))
    content |= {"dataset": HOSTILE[0], "devices": list(HOSTILE), "advice": list(HOSTILE)}
    content |= {"failed": [{"name": name, "reason": name} for name in HOSTILE], "versions": {HOSTILE[3]: HOSTILE[0]}}
    for one in content["models"]:
        one["by_column"] = dict.fromkeys(HOSTILE, one["by_column"]["phenomenon"])
        for part in one["by_column"].values():
            part[0]["value"] = HOSTILE[0]
    write_page(content, folder, texts=True)
    return folder


class Page(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.texts, self.style = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "style" and not self.style:
            self.style = data
        self.texts.append(data)

    def headings(self) -> list[str]:
        """Anchors of the sections."""
        return [attributes["id"] for tag, attributes in self.tags if tag == "h2"]


def read(folder: Path) -> Page:
    """report.html"""
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("which", ["folder", "hostile"])
def test_the_page_fetches_nothing(which, request):
    page = read(request.getfixturevalue(which))
    assert len(page.tags) > 500
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "data", "action", "poster", "xlink:href")
            if name == "href":
                assert value.removeprefix("#") in anchors
            if name in ("style", "clip-path"):
                assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)", value))
    assert page.style
    assert "url(" not in page.style
    assert "@import" not in page.style


def test_no_two_things_on_the_page_have_one_id(folder):
    ids = [attributes["id"] for _, attributes in read(folder).tags if "id" in attributes]
    assert len(ids) > 50
    assert len(ids) == len(set(ids))


def test_every_picture_says_in_words_what_it_shows(folder):
    pictures = [attributes for tag, attributes in read(folder).tags if tag == "svg"]
    assert len(pictures) == 2 + 1 + 5 * len(NAMES)
    assert all(picture["role"] == "img" for picture in pictures)
    said = [picture["aria-label"] for picture in pictures]
    assert len(set(said)) == len(said)
    assert sum(f"of {NAMES[0]}" in text for text in said) == 5


def test_hostile_names_and_texts_are_shown_and_do_nothing(hostile):
    page = read(hostile)
    shown = " ".join(" ".join(page.texts).split())
    for name in HOSTILE:
        assert name in shown
    source = (hostile / "report.html").read_text(encoding="utf-8")
    assert "<script" not in source
    assert "<img" not in source


def test_markdown_of_hostile_names_and_texts_keeps_its_tables(hostile):
    source = (hostile / "report.md").read_text(encoding="utf-8")
    assert "<" not in source
    assert not re.search(r"(?<!\\)`", source)
    lines = source.splitlines()
    tables = [list(group) for is_table, group in itertools.groupby(lines, lambda line: line[:1] == "|") if is_table]
    assert len(tables) >= 6
    for header, rule, *rows in tables:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in (header, rule, *rows)}
        assert rows
        assert len(columns) == 1, header


def test_no_cell_of_the_csv_file_starts_a_formula(hostile):
    with (hostile / "results.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == [("'" if name.startswith("=") else "") + name for name in HOSTILE]
    assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for line in lines for value in line.values())


def test_the_csv_file_has_one_line_a_model_with_plain_numbers(folder):
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file, quoting=csv.QUOTE_NONNUMERIC))
    assert [line["name"] for line in lines] == NAMES
    first = comparison(NAMES)["models"][0]
    assert lines[0]["accuracy_low"] == first["accuracy"]["low"]
    assert lines[0]["bytes_on_disk"] == first["bytes_on_disk"]
    assert lines[0]["latency_p95_ms"] == first["inference"]["latency_p95_ms"]
    assert lines[0]["seeds"] == "0 1 2"


def test_results_json_is_the_comparison(folder):
    assert json.loads((folder / "results.json").read_text(encoding="utf-8")) == comparison(NAMES)


def test_without_texts_no_file_holds_any(folder, tmp_path):
    content = comparison(NAMES)
    write_page(content, tmp_path, texts=False)
    assert content == comparison(NAMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES:
        bare = (tmp_path / name).read_text(encoding="utf-8")
        assert SECRET not in bare
        if name != "results.csv":
            assert SECRET in (folder / name).read_text(encoding="utf-8")
            assert "1017" in bare
            assert "2042" in bare


@pytest.mark.slow
def test_the_same_comparison_gives_the_same_bytes_whatever_the_user_set_up(folder, tmp_path):
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: path\naxes.facecolor: red\n")
    code = "import json, sys, pathlib; from sentiment_hf.comparison.page.page import write_page\n"
    code += "write_page(json.load(open(sys.argv[1])), pathlib.Path('again'), texts=True)"
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, folder / "results.json"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_sections_stand_in_order_and_in_the_contents(folder):
    page = read(folder)
    expected = ["cost", "results", "better", "rows", "curves", "confusion", "reliability", "length", "column-0"]
    expected += ["disagreements", "label-errors", "failed", "method", "versions"]
    assert page.headings() == ["advice", *expected]
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == [f"#{name}" for name in expected]


def test_the_page_opens_with_the_answer_and_the_pictures_of_cost(folder):
    source = (folder / "report.html").read_text(encoding="utf-8")
    answer, picture, table = (source.index(part) for part in ("custom-lstm is 2.1 points", "<svg", "<table"))
    assert answer < picture < table
    assert "Accuracy against training time of 4 models" in source[picture : source.index(">", picture)]


@pytest.mark.parametrize(("number", "folds"), [(10, 0), (11, 2)])
def test_beyond_ten_models_the_matrices_are_folded(number, folds, tmp_path):
    write_page(comparison([f"model-{index}" for index in range(number)]), tmp_path, texts=True)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    folded = re.findall(r"<details>(.*?)</details>", source, re.S)
    assert len(folded) == folds
    outside = re.sub(r"<details>.*?</details>", "", source, flags=re.S)
    assert ('class="matrix' in outside, "Confusion matrix of" in outside) == (folds == 0, folds == 0)


def test_the_page_of_one_model_is_about_that_model(tmp_path):
    content = comparison(NAMES[:1]) | {"learning_curve": [], "disagreements": [], "failed": []}
    write_page(content, tmp_path, texts=True)
    page = read(tmp_path)
    said = " ".join(" ".join(page.texts).split())
    assert page.headings() == [
        *("advice", "results", "curves", "confusion", "reliability", "length", "column-0"),
        *("label-errors", "method", "versions"),
    ]
    assert "<title>custom-lstm on reviews</title>" in (tmp_path / "report.html").read_text()
    assert "Its surest errors" in said
    assert "precision % recall % F1 % neg 900 90.00" in said
    for words in ("other models", "Best validation", "cannot be told apart", "every model", "models say", "1 model"):
        assert words not in said
        assert words not in (tmp_path / "report.md").read_text()


def test_of_classes_beyond_a_readable_matrix_the_frequent_confusions_are_named(tmp_path):
    labels = [f"intent {index}" for index in range(60)]
    content = comparison(NAMES[:2], labels)
    content["models"][0]["confusion"][7][31] = 450
    content["models"][1]["per_class"]["intent 41"]["rows"] = 5000
    write_page(content, tmp_path, texts=True)
    page = read(tmp_path)
    said = " ".join(" ".join(page.texts).split())
    assert "confused" in page.headings()
    assert "confusion" not in page.headings()
    assert "intent 7 intent 31 450 50.00" in said
    assert "60 classes: intent 0, intent 1, intent 2, intent 3, intent 4 and 55 more." in said
    assert "top-3 accuracy" in said


def test_the_page_of_one_model_of_many_classes_has_those_with_most_rows_first(tmp_path):
    content = comparison(NAMES[:1], [f"intent {index}" for index in range(60)]) | {"learning_curve": []}
    content["models"][0]["per_class"]["intent 41"]["rows"] = 5000
    write_page(content, tmp_path, texts=True)
    said = " ".join(" ".join(read(tmp_path).texts).split())
    assert "F1 % intent 41 5,000 90.00" in said


def accurate(*accuracies: float) -> list[dict]:
    return [{"name": f"model-{value}", "accuracy": around(value)} for value in accuracies]


@pytest.mark.parametrize(
    ("accuracies", "left_out"),
    [
        ((0.92, 0.50), 0),
        ((0.92, 0.88, 0.85), 0),
        ((0.92, 0.88, 0.50), 1),
        ((0.92, 0.91, 0.90, 0.89, 0.88, 0.87, 0.86, 0.85, 0.73, 0.50), 2),
        ((0.92, 0.91, 0.90, 0.89, 0.60, 0.58, 0.56, 0.54, 0.52, 0.50), 0),
    ],
)
def test_a_picture_of_cost_is_cut_to_where_the_models_are(accuracies, left_out):
    models = accurate(*accuracies)
    shown = figures.above_cut(models, drawing.ScoreAxis(ACCURACY))
    assert shown == models[: len(models) - left_out]


def test_a_model_below_the_picture_is_named_with_its_accuracy(tmp_path):
    content = comparison(NAMES)
    content["models"][3]["accuracy"] = around(0.5)
    write_page(content, tmp_path, texts=True)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("Far below the others and not in the picture: ensemble (50.0 %).") == 2


def test_a_long_name_keeps_both_ends():
    name = "baseline-logistic-regression-tfidf"
    assert clipped(name, 26) == "baseline-logi…ession-tfidf"
    assert clipped(name, len(name)) == name


def test_what_was_not_measured_is_left_out_or_said(tmp_path):
    content = comparison(NAMES[:1])
    content |= {"learning_curve": [], "disagreements": [], "label_errors": [], "failed": [], "advice": []}
    content["models"][0] |= {"inference": None, "curve": [], "by_length": [], "by_column": {}, "reliability": []}
    content["models"][0] |= dict.fromkeys(("log_loss", "bytes_on_disk", "train_minutes", "train_tokens_per_second"))
    write_page(content, tmp_path, texts=True)
    page = read(tmp_path)
    assert page.headings() == ["results", "confusion", "method", "versions"]
    assert "Speed of inference was not measured." in " ".join(page.texts)
    assert "None" not in (tmp_path / "report.html").read_text() + (tmp_path / "report.md").read_text()


def test_times_of_runs_side_by_side_are_marked_and_in_no_picture(tmp_path):
    content = comparison(NAMES)
    content["models"][0] |= {"side_by_side": 2}
    (picture,) = figures.training_cost_pictures(content, drawing.ScoreAxis(ACCURACY))
    assert f"that compares: {NAMES[0]}" in picture.note
    assert f">{NAMES[0]}<" not in picture.svg
    write_page(content, tmp_path, texts=True)
    assert len(re.findall("[\\d.]+ ‡", (tmp_path / "report.md").read_text(encoding="utf-8"))) == 2


def test_numbers_stand_right_aligned(folder):
    source = (folder / "report.html").read_text(encoding="utf-8")
    assert re.search(r"\.number \{ text-align: right;", source)
    cells = re.findall(r"<td([^>]*)>\s*[+−]?[\d,.]+\*?\s*(?:<|$)", source)
    assert len(cells) > 40
    assert all('class="number' in attributes for attributes in cells)
    for line in (folder / "report.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| custom-lstm |"):
            assert re.search(r"\d", line)
    assert "|---|---|---:|---|---:|---:|---:|---:|---:|" in (folder / "report.md").read_text(encoding="utf-8")


def test_models_of_one_seed_are_marked(folder):
    source = (folder / "report.html").read_text(encoding="utf-8")
    assert re.search(r"all-minilm-l6-v2-lora † <small>pretrained, LoRA, 1 seed</small>", source)
    assert re.search(r"custom-lstm <small>from scratch, 3 seeds</small>", source)


def test_differences_beyond_chance_are_marked_by_more_than_colour(folder):
    source = (folder / "report.html").read_text(encoding="utf-8")
    assert re.search(r'<td class="number differs">\+2\.60\* <small>p &lt; 0\.001</small>', source)
    assert re.search(r'<td class="number">\+3\.90 <small>one seed</small>|\+1\.30 <small>one seed</small>', source)
    assert re.search(r'<td class="number differs">120 : 80\* <small>p &lt; 0\.001</small>', source)


def test_the_page_says_what_chose_and_what_random_validation_means(folder):
    for name in ("report.html", "report.md"):
        source = (folder / name).read_text(encoding="utf-8")
        assert "Best validation accuracy first" in source
        assert "had no say in the order" in source
        assert re.search(r"[Tt]hese two trained models", source)
        assert "Validation minus test is" in source
        assert "drawn at random" in source


def test_given_validation_is_not_called_random(tmp_path):
    write_page(comparison(NAMES) | {"validation_part": "given"}, tmp_path, texts=False)
    assert "drawn at random" not in (tmp_path / "report.html").read_text()


def test_a_missing_package_is_named_with_the_extra_that_brings_it(tmp_path):
    code = """
import pathlib, sys
from sentiment_hf.comparison.page.page import write_page
from sentiment_hf.common.errors import InputError
for package in ("jinja2", "matplotlib"):
    sys.modules[package] = None
    try:
        write_page({}, pathlib.Path("out"), texts=True)
    except InputError as error:
        print(error)
    del sys.modules[package]
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    for package, line in zip(("jinja2", "matplotlib"), done.stdout.splitlines(), strict=True):
        assert f"{package} is not installed" in line
        assert "pip install 'sentiment-hf[report]'" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", range(3))
def test_names_in_a_picture_cover_neither_each_other_nor_points(seed):
    chance = np.random.default_rng(seed)
    figure, ax = canvas(400, 606, left=48, bottom=40)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    places = chance.uniform(0.05, 0.95, (25, 2)) * (1, 0.4)
    label_points(ax, [(x, y, f"all-minilm-l6-v2-{index}") for index, (x, y) in enumerate(places)])
    boxes = [text.get_window_extent(figure.canvas.get_renderer()).extents for text in figure.texts]
    assert len(boxes) == 25
    points = ax.transData.transform(places)
    for left, bottom, right, top in boxes:
        assert ax.bbox.x0 - 1 <= left
        assert right <= ax.bbox.x1 + 1
        assert not any(left < x < right and bottom < y < top for x, y in points)
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 3 or b[3] <= a[1] + 3


def test_names_at_the_ends_of_lines_keep_their_order_and_distance():
    places = spread_heights([200, 199, 198, 60, 41, 41], bottom=40)
    assert places == sorted(places, reverse=True)
    assert min(a - b for a, b in itertools.pairwise(places)) >= 13
    assert places[-1] >= 40


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.92), (0.859, 0.911), (0.97, 1.0), (0.05, 0.4)])
def test_an_accuracy_axis_has_round_ticks_that_do_not_touch(low, high):
    bottom, top = error_scale([low, high])
    ticks = accuracy_ticks(bottom, top, pixels=300)
    assert 3 <= len(ticks) <= 12
    places = error_scale([tick / 100 for tick in ticks]) * 300 / (top - bottom)
    assert (np.diff(places) >= 22).all()


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")

# What a page measures of itself, for the page that it is framed in: its width, that of its content, cut texts, title.
PROBE = """<script>addEventListener("load", () => {
  const cut = [...document.querySelectorAll("svg text")].filter((text) => {
    const [inner, outer] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
    return inner.left < outer.left - 2 || inner.right > outer.right + 2;
  });
  const names = cut.map((text) => text.textContent);
  parent.postMessage([innerWidth, document.documentElement.scrollWidth, names.join("; "), document.title], "*");
});</script></head>"""
FRAME = """<!DOCTYPE html><body><script>addEventListener("message", (event) => {
  document.body.dataset.probe = JSON.stringify(event.data);
});</script><iframe src="probed.html" width="WIDTH" height="844" style="border: 0"></iframe></body>"""


def browse(page: Path, folder: Path, *flags: str) -> subprocess.CompletedProcess:
    """Headless Chromium on a page; what the page logs is in standard error, as CONSOLE."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += ["--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=True)


def measured(page: Path, folder: Path, width: int) -> list:
    """What `PROBE` says of the page in a frame of this width, and whether anything was logged.

    A frame, since the windows of Chromium have a least width; a copy, since the policy of the page lets no script run.
    """
    source = page.read_text(encoding="utf-8").replace(
        "default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'"
    )
    (folder / "probed.html").write_text(source.replace("</head>", PROBE), encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    done = browse(frame, folder, "--dump-dom", "--virtual-time-budget=5000", "--window-size=1400,900")
    said = html.unescape(re.search(r'data-probe="([^"]*)"', done.stdout)[1])
    return [*json.loads(said), "CONSOLE" in done.stderr]


@browser
def test_the_browser_test_sees_what_goes_wrong(folder, tmp_path):
    broken = tmp_path / "broken.html"
    source = (folder / "report.html").read_text(encoding="utf-8")
    wide = '<div style="width: 3000px">x</div><img src="http://127.0.0.1:9/x.png">'
    broken.write_text(source.replace("</body>", f"{wide}{HOSTILE[0]}</body>"), encoding="utf-8")
    inner, content, _, title, logged = measured(broken, tmp_path, width=390)
    assert inner == 390
    assert content > 3000
    assert title == "owned"
    assert logged


@browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("which", ["folder", "hostile", "many", "intents", "alone"])
def test_in_a_browser_the_page_fits_the_window_and_logs_nothing(which, width, request, tmp_path):
    page = request.getfixturevalue(which) / "report.html"
    inner, content, cut, title, logged = measured(page, tmp_path, width)
    assert inner == width
    assert content <= width
    assert not cut
    assert title.startswith("custom-lstm on reviews" if which == "alone" else "Comparison of")
    assert not logged


@browser
@pytest.mark.parametrize("which", ["folder", "many"])
def test_printed_the_page_has_pages_and_all_of_them_are_wide(which, request, tmp_path):
    page = request.getfixturevalue(which) / "report.html"
    browse(page, tmp_path, "--print-to-pdf=page.pdf", "--no-pdf-header-footer")
    pdf = (tmp_path / "page.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    sizes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert len(sizes) >= 3
    assert all(float(width) > float(height) for width, height in sizes)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """The page of 25 models with long names, and of 20 classes."""
    folder = tmp_path_factory.mktemp("many")
    names = [f"sentence-transformers-all-mpnet-base-v2-number-{index}" for index in range(25)]
    content = comparison(names, labels=tuple(f"request of kind {index}" for index in range(20)))
    for index, one in enumerate(content["models"]):
        one["train_minutes"] = 5.0 + index
    write_page(content, folder, texts=True)
    return folder


@pytest.fixture(scope="module")
def intents(tmp_path_factory) -> Path:
    """The page of two models and of 150 classes."""
    folder = tmp_path_factory.mktemp("intents")
    write_page(comparison(NAMES[:2], tuple(f"request of kind {index}" for index in range(150))), folder, texts=True)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """The page of one model."""
    folder = tmp_path_factory.mktemp("alone")
    write_page(comparison(NAMES[:1]) | {"learning_curve": []}, folder, texts=True)
    return folder
