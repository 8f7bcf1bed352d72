"""What the command explain prints and writes."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers import reviews, run_baseline, run_flags, write_csv, write_data

from sentiment_hf import api
from sentiment_hf.cli import ensemble_command, explain_command
from sentiment_hf.cli.explain import METHODS as FLAG_METHODS
from sentiment_hf.explaining.methods import METHODS

FEW = ("num_buckets=4096",)
HOSTILE = "good <script>alert(1)</script> & \x1b[2J\x00 \u202e bad\n<b>dull</b>"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Runs on the same data: n-grams, a network, a linear baseline, an ensemble of the last two, and one of stars."""
    home = tmp_path_factory.mktemp("runs")
    data = write_data(home / "data")
    run_flags(
        data, home / "ngram", "--num_train_epochs", 10, "--learning_rate", 0.1, model="custom-ngram", settings=FEW
    )
    run_flags(data, home / "fc", model="custom-fc")
    run_baseline(data, home / "bayes", "baseline-naive-bayes-bow")
    assert ensemble_command([str(home / "fc"), str(home / "bayes"), "--output_dir", str(home / "both")]) == 0
    for part in ("train", "validation", "test"):
        rows = [(text, {"negative": "1", "positive": "5"}[label] if i % 3 else "3", i % 4) for i, (text, label) in
                enumerate(reviews(60, 0))]  # fmt: skip
        write_csv(home / "stars" / f"{part}.csv", rows, ("text", "stars", "price"))
    columns = ("--label_column_name", "stars", "--extra_column_names", "price")
    run_flags(home / "stars", home / "columns", *columns, model="custom-gru")
    return home


def test_each_model_has_its_answer_and_the_words_for_and_against_it(home, capsys):
    text = "the soup was good, so fine: not dull"
    argv = [str(home / "ngram"), text, "--beside", str(home / "fc"), str(home / "bayes"), str(home / "both")]
    assert explain_command(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    for place, (name, method) in enumerate(
        (("ngram", "exact"), ("fc", "integrated-gradients"), ("bayes", "coefficients"), ("both", "deletion"))
    ):
        answer, for_it, against = lines[3 * place : 3 * place + 3]
        (expected,) = api.predict(home / name, [text])
        label = expected["label"]
        assert answer.startswith(f"{home / name}  {label}  negative {expected['scores']['negative']:.4f}")
        assert answer.endswith(f"({method})")
        assert for_it.startswith(f"  for {label}")
        assert against.startswith(f"  against {label}  ")
        # Both lists begin in the same column, the largest scores first, with their signs.
        width = len(f"  against {label}  ")
        for line, sign in ((for_it, 1), (against, -1)):
            assert line[width - 2 : width] == "  "
            scores = [sign * float(score) for score in re.findall(r"[+-]\d+\.\d\d", line[width:])]
            assert scores == sorted(scores, reverse=True)
            assert all(score >= 0 for score in scores)
    assert re.search(r"  for positive +good \+", lines[1])
    assert " dull -" in lines[2]


def test_of_several_texts_each_stands_above_its_explanations(home, capsys):
    assert explain_command([str(home / "bayes"), "good\x1b[2J\nfilm", "so dull " * 40]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1. good\\x1b[2J\\nfilm"
    assert lines[4] == f"2. {('so dull ' * 40)[:99]}…"
    assert len(lines) == 8


def test_json_has_what_the_explanations_have(home, tmp_path):
    texts = ["the soup was good", ""]
    output = tmp_path / "x.json"
    output.write_text("something else, which is replaced as by predict")
    argv = [str(home / "ngram"), *texts, "--beside", str(home / "both"), "--output", str(output)]
    assert explain_command(argv) == 0
    found = json.loads(output.read_text())
    assert [one["text"] for one in found["texts"]] == texts
    assert [one["method"] for one in found["models"]] == ["exact", "deletion"]
    for name, place in (("ngram", 0), ("both", 1)):
        for one, expected in zip(found["texts"], api.explain(home / name, texts), strict=True):
            model = one["models"][place]
            assert model["model"] == str(home / name)
            assert model["prediction"] == expected.prediction
            assert list(model["probabilities"].values()) == expected.probabilities.tolist()
            assert [(word["start"], word["end"]) for word in model["words"]] == list(expected.words)
            assert [word["word"] for word in model["words"]] == one["text"].split()
            assert [list(word["scores"].values()) for word in model["words"]] == expected.scores.tolist()


class Page(HTMLParser):
    """The tags of a page, their attributes, and the texts of the elements with the class `text`, without signs."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.links, self.open, self.texts = set(), [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Count a tag."""
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") or name.startswith("on")]
        if dict(attrs).get("class") == "text":
            self.texts.append("")
            self.open.append(tag)
        elif self.open and tag not in ("br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close it."""
        if self.open:
            assert self.open.pop() == tag

    def handle_data(self, data):
        """Of a marked text."""
        if self.open and self.open[-1] != "sup":
            self.texts[-1] += data


def test_the_page_shows_every_text_whole_and_runs_nothing(home, tmp_path):
    texts = [HOSTILE, "the soup was good 电影 🤷", ""]
    argv = [str(home / "ngram"), *texts, "--beside", str(home / "bayes"), "--output", str(tmp_path / "x.html")]
    assert explain_command(argv) == 0
    content = (tmp_path / "x.html").read_text()
    page = Page(content)
    visible = [text.replace("\x1b", "␛").replace("\x00", "␀") for text in texts]
    assert page.texts == [text for text in visible for _ in range(2)]
    assert not page.tags & {"script", "img", "link", "iframe", "b"}
    assert page.links == []
    assert "http://" not in content
    assert "https://" not in content
    # What is for and against differs without any colour.
    assert re.search(r'<mark class="for level\d" title="\+[\d.]+">good<sup>\+</sup></mark>', content)
    assert re.search(r'<mark class="against level\d" title="−[\d.]+">[^<]+<sup>−</sup></mark>', content)
    assert "text-decoration-style: solid" in content
    assert "text-decoration-style: wavy" in content


def test_more_than_two_classes_are_all_shown_and_columns_are_read_from_a_file(home, tmp_path, capsys):
    file, output = home / "stars" / "test.csv", tmp_path / "x.json"
    assert explain_command([str(home / "columns"), "--file", str(file), "--rows", "2", "--output", str(output)]) == 0
    out, err = capsys.readouterr()
    assert "the first 2 of the 60 rows" in err
    with file.open() as rows:
        first, second, *_ = csv.DictReader(rows)
    texts, prices = [first["text"], second["text"]], [int(first["price"]), int(second["price"])]
    expected = api.explain(home / "columns", texts, columns={"price": prices})
    found = json.loads(output.read_text())["texts"]
    for one, row in zip(found, expected, strict=True):
        scores = [list(word["scores"].values()) for word in one["models"][0]["words"]]
        assert scores == [pytest.approx(score, abs=1e-6) for score in row.scores.tolist()]
    assert [line.split("  ")[1] for line in out.splitlines() if "against" in line].__len__() == 6
    assert explain_command([str(home / "columns"), texts[0]]) == 0
    assert "was trained with the columns price, which a text alone lacks" in capsys.readouterr().err


def test_the_overview_has_the_words_and_n_grams_of_the_test_rows(home, tmp_path, capsys):
    for name, has_ngrams in (("ngram", True), ("fc", False), ("bayes", True)):
        argv = [str(home / name), "--overview", "--output", str(tmp_path / "x.json")]
        assert explain_command(argv) == 0
        out = capsys.readouterr().out
        (found,) = json.loads((tmp_path / "x.json").read_text())["overviews"]
        with (home / "data" / "test.csv").open() as rows:
            texts = [row["text"] for row in csv.DictReader(rows)]
        assert found["texts"] == len(texts)
        assert (found["model"], found["has_ngrams"]) == (str(home / name), has_ngrams)
        assert [side["name"] for side in found["sides"]] == ["negative", "positive"]
        totals = {}
        for one in api.explain(home / name, texts):
            for (start, end), scores in zip(one.words, one.scores, strict=True):
                word = one.text[start:end].lower()
                totals[word] = totals.get(word, 0) + scores
        for place, side in enumerate(found["sides"]):
            weights = [word["weight"] for word in side["words"]]
            assert weights == sorted(weights, reverse=True)
            assert weights[0] == pytest.approx(max(total[place] for total in totals.values()))
            for word in side["words"]:
                assert word["weight"] == pytest.approx(totals[word["words"]][place])
                assert word["texts"] == sum(word["words"] in text.split() for text in texts)
                before, itself, behind = word["example"]
                assert itself.lower() == word["words"]
                assert any((before + itself + behind).strip("…") in text for text in texts)
            assert f"  {side['name']}: {side['words'][0]['words']} +" in out
    # The n-grams of the last are single words, which are words; those of the first are several.
    assert found["sides"][0]["ngrams"] == []
    page = tmp_path / "x.html"
    assert explain_command([str(home / "ngram"), "--overview", "--output", str(page)]) == 0
    assert "N-grams for positive" in page.read_text()


def test_n_grams_are_those_of_the_text_and_words_have_their_share_of_them(home, tmp_path, capsys):
    # Of train, so that the model knows its n-grams.
    text = next(text for text, _ in reviews(40, 0) if len(text.split()) > 6)
    file = write_csv(tmp_path / "one.csv", [(text,)], ("text",))
    argv = [str(home / "ngram"), "--overview", "--file", str(file), "--output", str(tmp_path / "x.json")]
    assert explain_command(argv) == 0
    (found,) = json.loads((tmp_path / "x.json").read_text())["overviews"]
    (one,) = api.explain(home / "ngram", [text])
    sums, ngrams = [], set()
    for side in found["sides"]:
        sums.append(sum(word["weight"] for word in side["words"]))
        ngrams |= {word["words"] for word in side["ngrams"]}
    words = ["(start)", *text.split()]
    possible = {" ".join(words[start : start + size]) for size in (2, 3) for start in range(len(words) + 1 - size)}
    assert ngrams
    assert ngrams <= possible
    assert sums[1] - sums[0] == pytest.approx(one.scores[:, 1].sum(), abs=1e-5)


def test_the_documentation_has_all_methods_in_the_order_in_which_they_are_taken():
    page = (Path(__file__).parents[2] / "docs" / "explaining.md").read_text()
    assert tuple(re.findall(r"^\| `(\w[\w-]+)` \| [^0-9]", page, re.M)[:4]) == METHODS == FLAG_METHODS


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a text", "--file", "x.csv"], "give texts or --file, not both"),
        ([], "what is to be explained"),
        (["a text", "--output", "x.txt"], "expected the name of a .html or .json file"),
        (["a text", "--output", "no/x.html"], "there is no such folder"),
        (["a text", "--overview"], "are of many texts"),
        (["--measure", "--output", "x.json"], "give it alone"),
        (["a text", "--rows", "0"], "must be at least 1"),
        (["a text", "--method", "exact"], "does not apply"),
        (["--file", "none.csv"], "there is no such file"),
        (["a \udcff text"], "is not UTF-8"),
    ],
)
def test_what_cannot_be_done_is_said_on_one_line(words, message, home, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert explain_command([str(home / "fc"), *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
