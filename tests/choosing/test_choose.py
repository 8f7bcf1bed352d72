"""choose trains what can pay within its limits, takes a model by validation, and scores test once, with that model."""

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import BAD, GOOD, OTHER, read_report, reviews, save_bert, write_csv

import sentiment_hf
from sentiment_hf.choosing.contenders import Contender, gained, hopeless, nothing_to_gain, take
from sentiment_hf.choosing.foresee import Foreseen, foresee
from sentiment_hf.choosing.state import State
from sentiment_hf.cli import choose_command, predict_command
from sentiment_hf.cli.choose import begun, parse_choose
from sentiment_hf.common.errors import Interrupted
from sentiment_hf.comparison.statistics import advice
from sentiment_hf.comparison.statistics.ranking import Side
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Predicted

pytestmark = pytest.mark.usefixtures("forked")


def noisy(count: int, seed: int, wrong: float) -> list[tuple[str, str]]:
    """Reviews, a share of which has the other label."""
    chance, other = random.Random(seed), {"negative": "positive", "positive": "negative"}
    return [(text, other[label] if chance.random() < wrong else label) for text, label in reviews(count, seed)]


def written(folder: Path, wrong: float = 0.0, train: int = 80) -> list[str]:
    """Flags that name files in `folder`, which are written."""
    for seed, (part, rows) in enumerate({"train": train, "validation": 60, "test": 40}.items()):
        write_csv(folder / f"{part}.csv", noisy(rows, seed, wrong))
    return [f"--{part}_file={folder / f'{part}.csv'}" for part in ("train", "validation", "test")]


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def choice(folder: Path) -> dict:
    return json.loads((folder / "choice.json").read_text())


# Speeds are measured, and which of two fast models is the faster depends on what else the machine does: with this in
# place of `SAME_COST` all cost the same, and the better model is taken.
ANY_COST = 1e9


@pytest.fixture(scope="module")
def clear(tmp_path_factory) -> tuple[list[str], Path]:
    """The flags and the folder of a choice on data that words tell without an error."""
    home = tmp_path_factory.mktemp("clear")
    words = [*written(home / "data"), "--output_dir", str(home / "out")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(advice, "SAME_COST", ANY_COST)
        assert choose_command(words) == 0
    return words, home / "out"


def test_no_further_model_is_trained_when_none_could_be_shown_to_be_better(clear):
    decisions = choice(clear[1])["decisions"]
    outcomes = {name: one["outcome"] for name, one in decisions.items()}
    assert [name for name, outcome in outcomes.items() if outcome == "trained"] == [
        "baseline-majority",
        "baseline-nb-svm",
        "custom-ngram",
    ]
    assert "0 of 60 rows of validation wrong" in decisions["custom-gru"]["reason"]
    assert not (clear[1] / "custom-fc").exists()


def test_test_is_scored_with_the_chosen_model_alone(clear, capsys):
    folder = clear[1]
    assert choice(folder)["chosen"] == "baseline-nb-svm"
    assert read_report(folder / "baseline-nb-svm")["test"] == choice(folder)["test"]
    assert "test" not in read_report(folder / "baseline-majority")
    assert predict_command([str(folder / "baseline-nb-svm"), "a lovely film"]) == 0
    assert "positive" in capsys.readouterr().out


def test_the_page_says_what_to_take_and_what_became_of_each_model(clear):
    page = (clear[1] / "choice.html").read_text()
    assert "take baseline-nb-svm" in page
    assert all(name in page for name in choice(clear[1])["decisions"])
    assert "0 of 60 rows of validation wrong" in page


def test_a_finished_choice_is_not_made_again(clear, capsys):
    words, folder = clear
    before = tree(folder)
    assert choose_command(words) == 0
    assert tree(folder) == before
    assert "Take baseline-nb-svm." in capsys.readouterr().out


def test_a_program_gets_the_folder_the_reasons_and_the_page(clear):
    words = dict(word.removeprefix("--").split("=") for word in clear[0] if "=" in word)
    chosen = sentiment_hf.choose(**words, output_dir=clear[1])
    assert chosen.folder == clear[1] / "baseline-nb-svm"
    assert chosen.reasons == choice(clear[1])["reasons"]
    assert "take baseline-nb-svm" in chosen._repr_html_()


def test_another_choice_in_the_folder_is_refused(clear, tmp_path, capsys):
    words, folder = clear
    assert choose_command([*written(tmp_path, train=60), "--output_dir", str(folder)]) == 2
    assert "holds another choice (data:" in capsys.readouterr().err
    assert choose_command([*words, "--task", "ordinal", "--label_order", "negative,positive"]) == 2
    assert "holds another choice (task: 'single_label' there, 'ordinal' here)" in capsys.readouterr().err
    assert choose_command([*words, "--pretrained", "me/bert"]) == 2
    assert "holds another choice (pretrained: [] there, ['me/bert'] here)" in capsys.readouterr().err


def test_with_more_minutes_it_goes_on_from_where_it_stopped(clear, tmp_path, monkeypatch, capsys):
    """What is there is not trained again, and what had no time is."""
    monkeypatch.setattr(advice, "SAME_COST", ANY_COST)
    words, folder = clear
    shutil.copytree(folder, tmp_path / "out")
    words = [*words[:-1], str(tmp_path / "out")]
    for name in ("baseline-nb-svm", "custom-ngram"):
        shutil.rmtree(tmp_path / "out" / name)
    kept = tree(tmp_path / "out" / "baseline-majority")
    assert choose_command([*words, "--minutes", "0.0001"]) == 0
    assert choice(tmp_path / "out")["chosen"] == "baseline-majority"
    assert choice(tmp_path / "out")["decisions"]["baseline-nb-svm"]["outcome"] == "no time"
    assert "There was no time for baseline-nb-svm, custom-ngram" in capsys.readouterr().out
    assert choose_command([*words, "--minutes", "5"]) == 0
    outcomes = {name: one["outcome"] for name, one in choice(tmp_path / "out")["decisions"].items()}
    assert outcomes["baseline-nb-svm"] == outcomes["custom-ngram"] == "trained"
    assert choice(tmp_path / "out")["chosen"] == "baseline-nb-svm"
    after = tree(tmp_path / "out" / "baseline-majority")
    assert all(after[name] == kept[name] for name in ("model.skops", "validation_predictions.parquet"))


def test_without_time_for_any_model_it_fails_in_one_line(clear, tmp_path, capsys):
    words = [*clear[0][:-1], str(tmp_path / "out"), "--minutes", "0.00001"]
    assert choose_command(words) == 3
    assert "there is no model to choose; baseline-majority: the 1e-05 minutes are over" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dataset", "sample", "--learning_rate", "0.1"], "--learning_rate: choose decides it"),
        ([], "on which data?"),
        (["--dataset", "sample", "--minutes", "0"], "--minutes 0: expected a number above 0"),
        (["--dataset", "sample", "--max_ms", "nan"], "--max_ms nan: expected a number above 0"),
        (["--dataset", "sample", "--unlabelled_file", "gone.csv"], "--unlabelled_file gone.csv: there is no such"),
        (["--train_file", "gone.csv"], "gone.csv"),
        (["--num_cpu_threads", "2"], "on which data?"),
        (["--dataset", "sample", "--pretrained", "custom-gru"], "--pretrained custom-gru is a new model"),
        (["--dataset", "sample", "--pretrained", "a/m", "b/m"], "--pretrained: two are called m"),
        (["--dataset", "sample", "--pretrained", "./gone"], "--pretrained ./gone"),
        (["--dataset", "sample", "--output_dir", "taken"], "taken is not empty and holds no choice"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_written(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "taken" / "mine.csv", [("a", "b")])
    before = tree(tmp_path)
    assert choose_command(words) == 2
    assert said in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_a_damaged_choice_is_refused(clear, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "choice.json").write_text('{"asked": 3}')
    assert choose_command([*clear[0][:-1], str(tmp_path / "out")]) == 2
    assert "choice.json is damaged" in capsys.readouterr().err


def test_the_cost_of_a_model_is_foreseen_by_some_of_its_steps(tmp_path):
    found = foresee(["--model", "custom-fc", *written(tmp_path)])
    assert isinstance(found, Foreseen)
    assert found.seconds > 0
    assert found.ms > 0
    # A number for each word and class, in 4 bytes each, at the least.
    assert 4 * 2 * len(GOOD + BAD + OTHER) < found.bytes < 10**5
    said = foresee(["--model", "custom-fc", *written(tmp_path), "--max_seq_length", "0"])
    assert "--max_seq_length 0" in said


TASK = SingleLabel(("neg", "pos"))


def side(right: np.ndarray) -> Side:
    """The side of a trained model that is right in these rows."""
    labels = np.arange(len(right)) % 2
    predictions = np.where(right, labels, 1 - labels)
    probabilities = np.eye(2)[predictions] * 0.8 + 0.1
    predicted = Predicted(labels, predictions, probabilities)
    return Side(TASK, TASK.ranking.terms(predicted)[None], predicted, known=False)


def model(name: str, right: np.ndarray, speed: float = 100.0, kind: str = "scratch") -> Contender:
    return Contender(name, kind, Path(name), side(right), 1.0, 1000 / speed, 1.0, speed)


def first_right(count: int, rows: int = 1000) -> np.ndarray:
    return np.arange(rows) < count


def test_of_models_that_validation_cannot_tell_apart_the_much_faster_one_is_taken():
    slow, fast = model("slow", first_right(903), 10), model("fast", np.roll(first_right(900), 50), 1000)
    found = take([slow, fast])
    assert found.contender is fast
    assert "slow is the best of 2 on 1,000 rows of validation" in found.reasons[0]
    assert "0.3 points behind, which may be chance" in found.reasons[1]
    assert "100.0 times as fast" in found.reasons[1]


def test_a_better_model_is_taken_whatever_it_costs():
    slow, fast = model("slow", first_right(950), 10), model("fast", first_right(900), 1000)
    assert take([fast, slow]).contender is slow


def test_of_equal_models_the_checkpoint_is_taken_and_not_the_baseline():
    ours, baseline = model("ours", first_right(900), 100), model("base", first_right(900), 120, kind="baseline")
    found = take([baseline, ours])
    assert found.contender is ours
    assert "base (90.0%) may be as good" in found.reasons[0]


def test_there_is_something_to_gain_from_six_wrong_rows_on():
    """A model that is right in five more rows, and wrong in none, differs with p = 0.0625."""
    assert "5 of 1,000 rows" in nothing_to_gain(model("best", first_right(995)))
    assert nothing_to_gain(model("best", first_right(994))) is None


def test_of_few_rows_of_validation_nothing_is_concluded():
    assert nothing_to_gain(model("best", first_right(48, 49))) is None
    assert "1 of 50 rows" in nothing_to_gain(model("best", first_right(49, 50)))


def test_a_choice_that_another_process_makes_is_left_alone(clear, tmp_path, capsys):
    words = [*clear[0][:-1], str(tmp_path / "out")]
    lock = "import sys, time; from pathlib import Path; from sentiment_hf.runs.lock import folder_lock\n"
    lock += "with folder_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    held = subprocess.Popen([sys.executable, "-c", lock, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    try:
        assert held.stdout.readline() == "held\n"
        (tmp_path / "out" / "choice.json").write_bytes((clear[1] / "choice.json").read_bytes())
        assert choose_command([*words, "--minutes", "4"]) == 2
        assert "is in use" in capsys.readouterr().err
    finally:
        held.kill()
        held.wait()


def test_the_time_of_an_interrupted_step_counts(clear, tmp_path, monkeypatch):
    climb, rungs = begun(*parse_choose([*clear[0][:-1], str(tmp_path / "out")]), time.monotonic() - 100)

    def interrupted(rung):
        raise Interrupted(15, "stopped")

    monkeypatch.setattr(climb, "decide", interrupted)
    with pytest.raises(Interrupted):
        climb.step(rungs[0])
    assert choice(tmp_path / "out")["seconds"] >= 100


def test_texts_without_labels_are_a_flag_of_its_own(clear, tmp_path):
    write_csv(tmp_path / "more.csv", [("a fine film",)], ("text",))
    words = [*clear[0][:-1], str(tmp_path / "out"), "--unlabelled_file", str(tmp_path / "more.csv")]
    climb, _ = begun(*parse_choose(words), time.monotonic())
    assert climb.unlabelled == str(tmp_path / "more.csv")
    assert "--unlabelled_file" not in climb.data


def test_a_part_tells_that_all_rows_are_not_worth_their_time():
    best, part = model("best", first_right(920)), side(np.roll(first_right(800), 40))
    assert "on 25% of the rows it has 80.0%" in hopeless(part, best, [0.02], 0.25)
    assert hopeless(part, best, [0.07], 0.25) is None
    assert hopeless(side(np.roll(first_right(910), 40)), best, [], 0.25) is None
    assert gained(best, part) == pytest.approx(0.12)


def test_a_model_is_not_begun_if_it_and_the_part_before_it_cannot_end_in_time(tmp_path, monkeypatch):
    """All rows of it would take 100 s, a quarter of them 25; what is left after the quarter counts too."""
    words = [*written(tmp_path, train=1700), "--minutes", "2", "--output_dir", str(tmp_path / "out")]
    climb, rungs = begun(*parse_choose(words), time.monotonic())
    gru = next(rung for rung in rungs if rung.name == "custom-gru")
    climb.state.foreseen[gru.name] = Foreseen(100.0, 1.0, 1)
    climb.contenders["best"] = model("best", first_right(900))
    assert "it would take about 2.1 min" in climb.decide(gru).reason

    def slow_part(rung, found):
        climb.begun -= 60

    climb.state.limits["minutes"] = 2.5
    monkeypatch.setattr(climb, "looks_hopeless", slow_part)
    late = climb.decide(gru)
    assert (late.outcome, late.reason[:28]) == ("no time", "it would take about 1.7 min,")
    assert not (tmp_path / "out" / gru.name).exists()


def test_a_baseline_may_take_a_quarter_of_the_minutes(tmp_path):
    """Of 20 classes it would take all of them, and its time is not foreseen."""
    words = [*written(tmp_path, train=1700), "--minutes", "0.01", "--output_dir", str(tmp_path / "out")]
    climb, rungs = begun(*parse_choose(words), time.monotonic())
    # A quarter is less than a process takes to start.
    climb.begun += 1000
    decision = climb.decide(rungs[1])
    assert (rungs[1].name, decision.outcome) == ("baseline-nb-svm", "no time")
    assert decision.reason == "stopped before its end, after 25% of the minutes"
    assert not climb.is_over()


def test_a_model_that_is_larger_or_slower_than_allowed_is_left_out(clear, tmp_path):
    words, folder = clear
    shutil.copytree(folder, tmp_path / "out")
    found = choice(folder)["decisions"]["baseline-nb-svm"]["numbers"]
    for flag, number in (("--max_mb", found["megabytes"]), ("--max_ms", found["ms"])):
        limits = [*words[:-1], str(tmp_path / "out"), flag, str(0.9 * number)]
        climb, rungs = begun(*parse_choose(limits), time.monotonic())
        decision = climb.decide(rungs[1])
        assert (rungs[1].name, decision.outcome) == ("baseline-nb-svm", "left out")
        assert flag in decision.reason
        assert not climb.contenders


def test_a_state_is_read_as_it_was_saved(clear):
    saved = choice(clear[1])
    state = State.load(clear[1], saved["asked"], saved["limits"])
    state.save(clear[1])
    assert choice(clear[1]) == saved


@pytest.mark.slow
def test_the_whole_ladder_on_labels_with_errors(tmp_path, capsys):
    """Networks, a checkpoint in every tuning, and n-grams that the best one teaches."""
    flags = written(tmp_path, wrong=0.2, train=1200)
    bert = save_bert(tmp_path / "bert", tmp_path)
    write_csv(tmp_path / "more.csv", [(text,) for text, _ in reviews(300, 9)], ("text",))
    more = ["--pretrained", str(bert), "--unlabelled_file", str(tmp_path / "more.csv"), "--minutes", "20"]
    assert choose_command([*flags, *more, "--output_dir", str(tmp_path / "out")]) == 0
    decisions = choice(tmp_path / "out")["decisions"]
    assert {"custom-gru", "bert-head", "bert-lora", "bert-full", "custom-gru-from-words"} <= decisions.keys()
    began = json.loads((tmp_path / "out" / "custom-gru-from-words" / "report.json").read_text())["began_with"]
    assert began["texts"] > 200
    assert all(one["outcome"] != "failed" for one in decisions.values()), decisions
    assert decisions["bert-full"]["numbers"]["foreseen"]["seconds"] > 0
    scored = [path.parent.name for path in (tmp_path / "out").glob("*/predictions.parquet")]
    assert scored == [choice(tmp_path / "out")["chosen"]]
