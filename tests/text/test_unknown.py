"""Unknown tokens are counted and said."""

import numpy as np
import pytest
from helpers import flags, read_report, write_csv, write_data

from sentiment_hf.cli import run_command
from sentiment_hf.text.unknown import unknown_share


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
