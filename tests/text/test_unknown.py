"""Unknown tokens are counted and said, and languages without spaces are told the tokenizer for them."""

import numpy as np
import pytest
from helpers import flags, read_report, write_csv, write_data

from sentiment_hf.cli import run_command
from sentiment_hf.text.unknown import say_unspaced, unknown_share

UNSPACED = {
    "Chinese": "\u8fd9\u4e2a\u7535\u5f71\u5f88\u597d\u770b",
    "Japanese": "\u3053\u306e\u6620\u753b\u306f\u3068\u3066\u3082\u826f\u3044",
    "Thai": "\u0e2b\u0e19\u0e31\u0e07\u0e40\u0e23\u0e37\u0e48\u0e2d\u0e07\u0e19\u0e35\u0e49\u0e14\u0e35",
    "Lao": "\u0eae\u0eb9\u0e9a\u0ec0\u0e87\u0ebb\u0eb2\u0e94\u0eb5",
    "Burmese": "\u101b\u102f\u1015\u103a\u101b\u103e\u1004\u103a\u1000\u1031\u102c\u1004\u103a\u1038",
    "Khmer": "\u1797\u17b6\u1796\u1799\u1793\u17d2\u178f\u179b\u17d2\u17a2",
}
RUSSIAN = "\u0444\u0438\u043b\u044c\u043c \u0445\u043e\u0440\u043e\u0448\u0438\u0439"
SPACED = ["the film was good", RUSSIAN, "\uc601\ud654\uac00 \uc88b\ub2e4", "", "5/5 !!!", "caf\u00e9 \u4e2d"]


@pytest.mark.parametrize("language", UNSPACED)
def test_a_language_without_spaces_is_told_the_tokenizer_for_it(language, caplog):
    say_unspaced([f"{UNSPACED[language]}, 5/5 OK!"] * 3)
    assert "--tokenizer char" in caplog.text


@pytest.mark.parametrize("text", SPACED)
def test_a_language_with_spaces_is_told_nothing(text, caplog):
    say_unspaced([text] * 3)
    assert not caplog.text


def test_the_share_is_that_of_tokens_of_text():
    # 0 pads, 1 is unknown, 2 begins a text.
    assert unknown_share(np.array([2, 1, 5, 1, 2, 7, 2]), 1, [0, 1, 2]) == 0.5
    assert unknown_share(np.array([2]), 1, [0, 1, 2]) == 0.0
    assert unknown_share(np.array([3]), None) is None


@pytest.mark.parametrize("model", ["custom-fc", "baseline-naive-bayes-bow", "baseline-majority"])
def test_unknown_tokens_are_in_the_report_and_many_are_said(model, tmp_path, caplog):
    data = write_data(tmp_path)
    # Of four words, the training texts have one.
    write_csv(data / "validation.csv", [("film xyzzy plugh quux", "positive"), ("film xyzzy plugh quux", "negative")])
    more = flags(data, tmp_path / "run", model=model, settings=())
    if model.startswith("baseline"):
        more = [*more[: more.index("--num_train_epochs")], "--disable_tqdm", "true"]
    assert run_command(more) == 0
    assert read_report(tmp_path / "run")["validation_unknown_tokens"] == 0.75
    assert "75 % of the tokens of validation are unknown to the tokenizer; --tokenizer char" in caplog.text
