"""The speed of a run is that of one core and of this machine; code of a checkpoint is run only if it is allowed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import TINY, reviews, run_baseline, run_flags, save_bert, write_data
from launching import ROOT

from sentiment_hf.cli.make_runs import make_missing_runs, measure_missing_speeds
from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import write_json
from sentiment_hf.common.processor import processor_name
from sentiment_hf.comparison.plan.flags import parse_compare
from sentiment_hf.comparison.plan.plan import plan
from sentiment_hf.inference.make_ensemble import make_ensemble
from sentiment_hf.inference.speed import environment_for, is_measured_here, measure_speed

pytestmark = pytest.mark.usefixtures("forked")
TEXTS = [text for text, _ in reviews(40, seed=5)]

CODE = """
from transformers import BertConfig, BertForSequenceClassification

class TheirConfig(BertConfig):
    model_type = "theirs"

class TheirModel(BertForSequenceClassification):
    config_class = TheirConfig
"""

# Prints what a process has after it has used each library on one core: cores, threads of torch, new threads.
ONE_CORE = """
import os
import numpy, psutil, torch
from tokenizers import Tokenizer, models
from sentiment_hf.inference.speed import threads_limited
with threads_limited(1):
    before = psutil.Process().num_threads()
    Tokenizer(models.BPE()).encode_batch(["many words"] * 2000)
    torch.rand(1000, 1000) @ torch.rand(1000, 200)
    numpy.ones((1000, 1000)) @ numpy.ones((1000, 200))
    print(len(os.sched_getaffinity(0)), torch.get_num_threads(), psutil.Process().num_threads() - before)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), train=60)


@pytest.fixture(scope="module")
def model(data, tmp_path_factory) -> Path:
    """A finished run without its speed."""
    folder = tmp_path_factory.mktemp("out") / "fc"
    run_flags(data, folder, model="custom-fc", settings=TINY)
    return folder


def test_one_core_means_the_threads_of_every_library():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this platform pins no process to a core")
    command = [sys.executable, "-c", ONE_CORE]
    done = subprocess.run(
        command, env=os.environ | environment_for(1), cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["1", "1", "0"], done.stderr


def test_a_speed_is_measured_again_on_another_machine_only(model, tmp_path):
    assert not is_measured_here(model)
    assert measure_missing_speeds([model], TEXTS, set()) == []
    found = json.loads((model / "inference.json").read_text())
    assert (found["processor"], found["rows"]) == (processor_name(), 40)
    assert found["texts_per_second_one_core"] > 0
    assert is_measured_here(model)
    known = (model / "inference.json").read_bytes()
    measure_missing_speeds([model], TEXTS, set())
    assert (model / "inference.json").read_bytes() == known
    # An older version did not write the processor.
    for other in ({"processor": "abacus"}, {"cores": found["cores"] + 1}, {"processor": None}):
        write_json(model / "inference.json", found | other)
        assert not is_measured_here(model)


def test_the_processor_has_its_own_name():
    assert processor_name() not in ("", "x86_64")


@pytest.mark.slow
def test_compare_runs_the_code_of_a_checkpoint_that_the_user_allowed_and_no_other(data, tmp_path):
    start = save_bert(tmp_path / "theirs", data)
    (start / "theirs.py").write_text(CODE)
    config = json.loads((start / "config.json").read_text())
    code = {"AutoConfig": "theirs.TheirConfig", "AutoModelForSequenceClassification": "theirs.TheirModel"}
    write_json(start / "config.json", config | {"model_type": "theirs", "auto_map": code})
    files = [word for part in ("train", "validation", "test") for word in (f"--{part}_file", f"{data}/{part}.csv")]
    argv = ["--models", f"{start} --trust_remote_code --max_steps 2", "--seeds", "1"]
    args = parse_compare([*argv, "--output_dir", str(tmp_path / "out"), *files])
    planned, splits, _ = plan(args)
    (made,), failed = make_missing_runs(args, planned, splits)
    assert failed == []
    assert (made / "theirs.py").is_file()
    assert is_measured_here(made)
    with pytest.raises(TrainingError, match="trust_remote_code"):
        measure_speed(made, TEXTS)
    run_baseline(data, tmp_path / "bayes", "baseline-naive-bayes-bow")
    make_ensemble([made, tmp_path / "bayes"], str(tmp_path / "both"), "mean", overwrite=False)
    assert measure_missing_speeds([tmp_path / "both"], TEXTS, {made.resolve()}) == []
