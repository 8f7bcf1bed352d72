"""A run goes on from its checkpoint with the ids and the classes that its weights know."""

import pytest
from helpers import Stop, flags, reviews, run_until, save_bert, weights, write_csv, write_data
from transformers import AutoTokenizer

from sentiment_hf.common.errors import InputError
from sentiment_hf.models import load
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run

STEPS = ["--eval_strategy", "steps", "--eval_steps", "2", "--save_total_limit", "5"]


def stopped_run(folder, *more):
    """The flags of a run that was stopped after step 3."""
    argv = flags(write_data(folder / "data"), folder / "run", *STEPS, *more)
    run_until(Stop(3), argv)
    return argv


def as_many_other_words(data):
    """Other texts with as many words: a tokenizer trained on them has the same size and other ids."""
    letters = str.maketrans("abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba")
    rows = [
        (text.translate(letters) if index < 10 else text, label) for index, (text, label) in enumerate(reviews(60, 9))
    ]
    write_csv(data / "train.csv", rows)


def test_force_resume_after_a_change_of_data_keeps_the_ids_of_the_words(tmp_path):
    argv = stopped_run(tmp_path, "--max_steps", "6")
    checkpoint = tmp_path / "run" / "checkpoint-3"
    before = AutoTokenizer.from_pretrained(checkpoint).get_vocab()
    as_many_other_words(tmp_path / "data")
    run(parse_run([*argv, "--force_resume"]))
    assert AutoTokenizer.from_pretrained(tmp_path / "run").get_vocab() == before


def test_a_resumed_run_trains_no_tokenizer(tmp_path, monkeypatch):
    argv = stopped_run(tmp_path, "--truncation", "tail")
    monkeypatch.setattr(load, "train_tokenizer", None)
    undisturbed = [*argv, "--output_dir", str(tmp_path / "undisturbed")]
    run(parse_run(argv))
    monkeypatch.undo()
    run(parse_run(undisturbed))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "undisturbed" / file).read_bytes()
    first, second = weights(tmp_path / "run"), weights(tmp_path / "undisturbed")
    assert all((first[name] == second[name]).all() for name in first)


@pytest.mark.parametrize("tuning", ["full", "lora"])
@pytest.mark.parametrize(
    ("labels", "shown"),
    [({"negative": "bad", "positive": "good"}, "bad, good"), ({"negative": "zero"}, "positive, zero")],
)
def test_force_resume_refuses_other_classes_and_changes_nothing(tmp_path, tuning, labels, shown):
    data = write_data(tmp_path / "data")
    model = save_bert(tmp_path / "bert", data)
    argv = flags(data, tmp_path / "run", *STEPS, "--tuning", tuning, model=model, settings=())
    run_until(Stop(3), argv)
    renamed = tmp_path / "renamed"
    for seed, part in enumerate(("train", "validation", "test")):
        write_csv(renamed / f"{part}.csv", [(text, labels.get(name, name)) for text, name in reviews(30, seed)])
    files = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    other = flags(renamed, tmp_path / "run", *STEPS, "--tuning", tuning, model=model, settings=())
    with pytest.raises(InputError, match=f"knows the classes negative, positive, the data has {shown}"):
        run(parse_run([*other, "--force_resume"]))
    assert {path: path.read_bytes() for path in files} == files


def test_force_resume_refuses_flags_of_a_new_tokenizer(tmp_path):
    argv = stopped_run(tmp_path)
    with pytest.raises(InputError, match=r"--force_resume goes on with the tokenizer .*lowercase: True there, False"):
        run(parse_run([*argv, "--no_lowercase", "--force_resume"]))


def test_force_resume_of_a_new_model_takes_a_longer_text(tmp_path):
    argv = stopped_run(tmp_path, "--max_seq_length", "8")
    run(parse_run([*argv, "--max_seq_length", "11", "--force_resume"]))
    assert AutoTokenizer.from_pretrained(tmp_path / "run").model_max_length == 11
