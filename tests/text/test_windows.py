"""--long_texts windows: long texts are read whole, in training, in scoring and by predict."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from helpers import Stop, baseline_flags, flags, read_report, run_flags, run_until, save_bert, weights, write_csv
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertTokenizer

from custom_models import MODEL_NAMES
from sentiment_hf.cli import run_command
from sentiment_hf.common.cache import Cache
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.runs.run import run
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.text.tokenize import tokenize
from sentiment_hf.text.tokenizers import train_tokenizer
from sentiment_hf.text.windows import Windows, encoded_texts, pooled, set_windows

WORDS = [f"w{index}" for index in range(100)]
TEXTS = [" ".join(WORDS[:count]) for count in (0, 1, 5, 6, 7, 8, 9, 10, 11, 30, 100)]
WINDOWS = ["--long_texts", "windows", "--max_seq_length", 12]


def bert_tokenizer() -> BertTokenizer:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    return BertTokenizer(vocab={word: index for index, word in enumerate(tokens)}, model_max_length=8)


def word_tokenizer():
    sizes = {"vocab_size": 200, "min_frequency": 1, "model_max_length": 8}
    return train_tokenizer(TEXTS, "word", lowercase=True, **sizes)


@pytest.mark.parametrize("stride", [0, 1, 2, 4])
@pytest.mark.parametrize("make", [bert_tokenizer, word_tokenizer])
def test_windows_are_those_of_the_library_each_between_its_special_tokens(make, stride):
    tokenizer = make()
    set_windows(tokenizer, Windows(stride, "mean"))
    found = encoded_texts(TEXTS, tokenizer)
    cut = {"truncation": True, "max_length": 8, "stride": stride, "return_overflowing_tokens": True}
    expected = tokenizer(TEXTS, **cut)
    assert [ids.tolist() for ids in found.texts()] == expected["input_ids"]
    assert found.text_of.tolist() == expected["overflow_to_sample_mapping"]


def test_a_quarter_of_the_length_is_repeated_unless_the_flag_says_otherwise(tmp_path):
    tokenizer = bert_tokenizer()
    set_windows(tokenizer, Windows(None, "max"))
    tokenizer.save_pretrained(tmp_path)
    saved = AutoTokenizer.from_pretrained(tmp_path)
    assert Windows.of(saved) == Windows(None, "max")
    first, second, *_ = [
        saved.decode(ids, skip_special_tokens=True).split() for ids in encoded_texts([TEXTS[-1]], saved).texts()
    ]
    assert first[-2:] == second[:2]


def test_windows_of_any_order_are_pooled_into_the_order_of_the_texts():
    tokenizer = bert_tokenizer()
    texts = encoded_texts(["w1"] * 3, tokenizer).as_windows([2, 1]).select([2, 1, 0])
    logits = np.array([[5, 6], [1, 9], [3, 2]], np.float32)
    for how, expected in {"mean": [[2, 5.5], [5, 6]], "max": [[3, 9], [5, 6]]}.items():
        set_windows(tokenizer, Windows(None, how))
        assert pooled(logits, texts, tokenizer).tolist() == expected


def test_the_cache_tells_settings_of_windows_apart(tmp_path):
    part = LabelledTexts.of([TEXTS[-1 - row % 5] for row in range(5000)], [row % 2 for row in range(5000)])
    tokenizer, cache = bert_tokenizer(), Cache(tmp_path)
    for windows in (None, Windows(None, "mean"), Windows(3, "mean"), Windows(3, "max")):
        set_windows(tokenizer, windows)
        plain = tokenize(part, tokenizer, 8)
        for _ in range(2):
            cached = tokenize(part, tokenizer, 8, cache)
            assert all(map(np.array_equal, cached.texts(), plain.texts()))
            assert np.array_equal(cached.columns["label"], plain.columns["label"])
            assert (cached.text_of is None) == (windows is None)
            assert windows is None or np.array_equal(cached.text_of, plain.text_of)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.fixture(scope="module")
def late(tmp_path_factory) -> Path:
    """Reviews of several lengths, whose class is told behind the first 12 tokens, and three that are short."""
    folder = tmp_path_factory.mktemp("late")
    for split, count in {"train": 20, "validation": 7, "test": 9}.items():
        rows = [
            ("the film was so " * 3 + f"{word} " * (row % 4 * 5 + 6), word)
            for row in range(count)
            for word in ("good", "bad")
        ]
        write_csv(folder / f"{split}.csv", [*rows, ("good", "good"), ("bad film", "bad"), ("so bad", "bad")])
    return folder


def by_hand(folder: Path, texts: list[str], how: str) -> np.ndarray:
    """Probabilities by the library alone: windows of the tokenizer, one by one, and their pooled logits."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    found = []
    for text in texts:
        cut = {"truncation": True, "max_length": 12, "stride": 3, "return_overflowing_tokens": True}
        windows = tokenizer([text], **cut)["input_ids"]
        with torch.no_grad():
            logits = torch.cat([model(input_ids=torch.tensor([ids])).logits for ids in windows])
        found.append((logits.mean(0) if how == "mean" else logits.amax(0)).softmax(-1))
    return torch.stack(found).numpy()


def texts_of(data: Path, part: str) -> list[str]:
    return [line.rpartition(",")[0] for line in (data / f"{part}.csv").read_text().splitlines()[1:]]


@pytest.mark.parametrize("how", ["mean", "max"])
@pytest.mark.parametrize("model", [*MODEL_NAMES, "bert"])
def test_each_text_is_scored_once_by_the_pooled_logits_and_predict_does_it_without_flags(late, tmp_path, model, how):
    settings = ("hidden_size=8",) if model in MODEL_NAMES and model != "custom-ngram" else ()
    source = save_bert(tmp_path / "bert", late) if model == "bert" else model
    more = ["--max_steps", 2, "--eval_strategy", "no", *WINDOWS, "--window_pooling", how, "--warmup_steps", 0]
    report = run_flags(late, tmp_path / "run", *more, model=source, settings=settings)
    assert (report["test"]["rows"], report["validation"]["rows"]) == (21, 17)
    assert report["windows"]["overlap"] == 3
    assert report["truncation"] is None
    assert report["windows"]["train"] > 35
    expected = by_hand(tmp_path / "run", texts_of(late, "test"), how)
    table = pq.read_table(tmp_path / "run" / "predictions.parquet")
    assert table["row"].to_pylist() == list(range(21))
    scored = np.stack([table[f"probability_{label}"] for label in report["labels"]], 1)
    np.testing.assert_allclose(scored, expected, atol=1e-3)
    scorer = load_scorer(ModelRef.parse(str(tmp_path / "run"), flag="MODEL"))
    np.testing.assert_allclose(scorer.classify(texts_of(late, "test"), batch_size=4), expected, atol=1e-5)


@pytest.mark.parametrize(
    "tuning", ["scratch", "full", *(pytest.param(name, marks=pytest.mark.slow) for name in ("head", "lora"))]
)
def test_a_class_told_behind_the_limit_is_learned_with_windows_only(late, tmp_path, tuning):
    source = "custom-gru" if tuning == "scratch" else save_bert(tmp_path / "bert", late)
    settings = ("embedding_size=8", "hidden_size=8") if tuning == "scratch" else ()
    more = ["--learning_rate", 0.03, "--max_steps", 100, "--eval_strategy", "steps", "--eval_steps", 50]
    more += ["--calibrate", "none"]
    more += [] if tuning == "scratch" else ["--tuning", tuning]
    found = {}
    for name, long_texts in {"cut": ["--max_seq_length", 12], "whole": WINDOWS}.items():
        report = run_flags(late, tmp_path / name, *more, *long_texts, model=source, settings=settings)
        found[name] = report["test"]["accuracy"]
    assert found["cut"] < 0.7
    # The head alone learns nothing from the states of an encoder with random weights.
    assert found["whole"] == 1.0 or tuning == "head"
    # Validation in training scores texts, not windows: the best of its losses is that of the report.
    lines = map(json.loads, (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines())
    losses = [line["eval_loss"] for line in lines if "eval_loss" in line]
    assert read_report(tmp_path / "whole")["validation"]["loss"] in [pytest.approx(loss, abs=1e-6) for loss in losses]
    assert "first window only" in (tmp_path / "whole" / "README.md").read_text()
    if tuning == "full":
        again = run_flags(late, tmp_path / "again", "--do_predict", model=tmp_path / "whole", settings=())
        assert again["test"] == read_report(tmp_path / "whole")["test"]
        told = ["--do_predict", "--long_texts", "truncate"]
        cut = run_flags(late, tmp_path / "told", *told, model=tmp_path / "whole", settings=())
        assert (cut["windows"], cut["truncation"]) == (None, "head")
        assert cut["test"] != again["test"]


def test_an_interrupted_run_goes_on_bit_by_bit(late, tmp_path):
    run_flags(late, tmp_path / "whole", *WINDOWS)
    argv = flags(late, tmp_path / "parts", *WINDOWS)
    run_until(Stop(7), argv)
    run(parse_run(argv))
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert read_report(tmp_path / "parts")["test"] == read_report(tmp_path / "whole")["test"]


def test_rows_of_a_broken_step_are_those_of_the_texts(late, tmp_path):
    argv = flags(late, tmp_path / "run", *WINDOWS, "--learning_rate", "1e38", "--max_grad_norm", 0)
    assert run_command(argv) == 3
    texts = texts_of(late, "train")
    rows = json.loads((tmp_path / "run" / "broken_batch.json").read_text())["rows"]
    assert rows
    assert all(texts[row["row"]].startswith(row["begins"]) for row in rows)


def test_a_run_without_the_flags_keeps_its_identity(late, tmp_path, capsys):
    run_flags(late, tmp_path / "run", "--max_steps", 1)
    saved = json.loads((tmp_path / "run" / "run.json").read_text())
    assert not saved.keys() & {"long_texts", "window_stride", "window_pooling"}
    assert run_command(flags(late, tmp_path / "run", "--max_steps", 1, "--long_texts", "windows")) == 2
    assert "holds another run (long_texts: None there, 'windows' here)" in capsys.readouterr().err


REFUSALS = [
    (["--long_texts", "slide"], "invalid choice: 'slide'"),
    (["--window_stride", 3], "--window_stride is for windows: add --long_texts windows"),
    (["--window_pooling", "max"], "--window_pooling is for windows"),
    (
        [*WINDOWS, "--truncation", "tail"],
        "--truncation tail cuts long texts, and --long_texts",
    ),
    ([*WINDOWS, "--window_stride", 11], "has 11 tokens of the text; expected at most 10"),
    ([*WINDOWS, "--window_stride", -1], "--window_stride -1 is out of range"),
]


@pytest.mark.parametrize(("more", "message"), REFUSALS)
def test_what_cannot_be_is_refused(late, tmp_path, capsys, more, message):
    assert run_command(flags(late, tmp_path / "run", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("more", [["--long_texts", "windows"], ["--window_stride", 3]])
def test_a_baseline_reads_texts_whole_and_refuses_the_flag(late, tmp_path, capsys, more):
    assert run_command(baseline_flags(late, tmp_path / "run", "baseline-nb-svm", *more)) == 2
    assert f"{more[0]}: a baseline such as baseline-nb-svm reads every text whole" in capsys.readouterr().err
