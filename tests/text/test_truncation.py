"""--truncation: which part of a long text is read, in training and by predict; and --attention_dropout."""

import json
from pathlib import Path

import pytest
from helpers import flags, read_report, run_flags, save_bert, write_csv, write_data
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertTokenizer

from sentiment_hf.cli import run_command
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.text.encode import encode, kept_part, set_truncation
from sentiment_hf.text.tokenize import tokenize

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{index}" for index in range(100))]
LONG = " ".join(f"w{index}" for index in range(50))


def bert_tokenizer(kept: str) -> BertTokenizer:
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}, model_max_length=14)
    set_truncation(tokenizer, kept)
    return tokenizer


EXPECTED = {
    "head": [*range(12)],
    "tail": [*range(38, 50)],
    # A quarter of the 12 tokens that are the text's own.
    "head-tail": [*range(3), *range(41, 50)],
}


@pytest.mark.parametrize("kept", EXPECTED)
def test_this_part_of_a_long_text_is_kept_between_its_special_tokens(kept, tmp_path):
    tokenizer = bert_tokenizer(kept)
    expected = [f"w{index}" for index in EXPECTED[kept]]
    short, long = encode(["w1 w2", LONG], tokenizer)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(long) == ["[CLS]", *expected, "[SEP]"]
    assert tokenizer.convert_ids_to_tokens(short) == ["[CLS]", "w1", "w2", "[SEP]"]
    assert encode([LONG], tokenizer).keys() == tokenizer(LONG).keys() - {"attention_mask"}
    assert {len(values[0]) for values in encode([LONG], tokenizer).values()} == {14}
    tokenizer.save_pretrained(tmp_path)
    saved = AutoTokenizer.from_pretrained(tmp_path)
    assert kept_part(saved) == kept
    assert encode([LONG], saved)["input_ids"] == [long]


def test_both_ends_of_a_text_of_just_the_limit_are_all_of_it():
    tokenizer = bert_tokenizer("head-tail")
    for count in (11, 12, 13):
        (ids,) = encode([" ".join(["w7"] * count)], tokenizer)["input_ids"]
        assert len(ids) == min(count + 2, 14)


def test_the_parts_are_those_of_the_length_asked_for_and_without_a_warning(caplog):
    tokenizer = bert_tokenizer("head-tail")
    texts = tokenize(LabelledTexts.of([LONG], [0]), tokenizer, max_length=6)
    assert tokenizer.convert_ids_to_tokens(texts[0]["input_ids"]) == ["[CLS]", "w0", "w47", "w48", "w49", "[SEP]"]
    assert not caplog.records


@pytest.fixture(scope="module")
def ends(tmp_path_factory) -> Path:
    """Reviews whose class is told by their last word, far behind the limit of 12 tokens."""
    folder = tmp_path_factory.mktemp("ends")
    for split in ("train", "validation", "test"):
        rows = [("the film was so " * 9 + word, word) for word in ("good", "bad")] * 12
        write_csv(folder / f"{split}.csv", rows)
    return folder


@pytest.mark.parametrize("model", ["custom-gru", pytest.param("bert", marks=pytest.mark.slow)])
def test_a_class_told_by_the_last_word_is_learned_with_the_tail_only(ends, tmp_path, model):
    settings = () if model == "bert" else ("embedding_size=8", "hidden_size=8")
    source = save_bert(tmp_path / "bert", ends) if model == "bert" else model
    more = ["--max_seq_length", 12, "--learning_rate", 0.05, "--max_steps", 30, "--eval_strategy", "no"]
    more += ["--load_best_model_at_end", "false"]
    found = {}
    for kept in ("head", "tail", "head-tail"):
        folder = tmp_path / kept
        report = run_flags(ends, folder, *more, "--truncation", kept, model=source, settings=settings)
        assert report["truncation"] == kept
        found[kept] = report["test"]["accuracy"]
        text = (folder / "README.md").read_text()
        assert ("cannot do this" in text) == (kept == "head-tail")
    assert found == {"head": 0.5, "tail": 1.0, "head-tail": 1.0}
    # From the saved settings, without any flag.
    scorer = load_scorer(ModelRef.parse(str(tmp_path / "head-tail"), flag="MODEL"))
    (scored,) = scorer.classify(["the film was so " * 9 + "good"], batch_size=1)
    assert scored[scorer.task.labels.index("good")] > 0.5
    again = run_flags(ends, tmp_path / "again", "--do_predict", model=tmp_path / "head-tail", settings=())
    assert (again["truncation"], again["max_seq_length"]) == ("head-tail", 12)
    assert again["test"]["accuracy"] == 1.0


def test_dropout_in_attention_is_what_the_flag_says(tmp_path):
    data = write_data(tmp_path / "data")
    base = save_bert(tmp_path / "bert", data)
    rates = {}
    for name, more in {"recipe": [], "flag": ["--attention_dropout", "0.25"]}.items():
        run_flags(data, tmp_path / name, "--max_steps", 1, *more, model=base, settings=())
        rates[name] = AutoModelForSequenceClassification.from_pretrained(
            tmp_path / name
        ).config.attention_probs_dropout_prob
    assert rates == {"recipe": 0.0, "flag": 0.25}
    assert json.loads((tmp_path / "flag" / "run.json").read_text())["attention_dropout"] == 0.25
    assert read_report(tmp_path / "flag")["model_type"] == "bert"


REFUSALS = [
    (["--truncation", "middle"], "invalid choice: 'middle'"),
    (["--attention_dropout", "1"], "--attention_dropout 1.0 is out of range"),
    (["--attention_dropout", "0.1"], "a new model has --model_config attention_dropout"),
]


@pytest.mark.parametrize(("more", "message"), REFUSALS)
def test_what_cannot_be_is_refused(tmp_path, capsys, more, message):
    assert run_command(flags(write_data(tmp_path / "data"), tmp_path / "run", *more)) == 2
    assert message in capsys.readouterr().err


def test_a_checkpoint_without_dropout_in_attention_cannot_have_it(tmp_path, capsys):
    data = write_data(tmp_path / "data")
    run_flags(data, tmp_path / "gru")
    argv = flags(data, tmp_path / "on", "--attention_dropout", "0.1", model=tmp_path / "gru", settings=())
    assert run_command(argv) == 2
    assert "has no such setting (known names: attention_dropout, attention_probs" in capsys.readouterr().err
