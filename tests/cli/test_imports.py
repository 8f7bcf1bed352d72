"""What each command imports, and what of it Windows has: help, refusals and `list` need next to nothing."""

import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import torch
from conftest import small_model
from helpers import baseline_flags, run_baseline, run_flags, write_csv, write_data
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerBase

from custom_models import MODEL_NAMES

TEXT = "A fine film."

# Runs the command with these words for each list of them, and prints what is imported by then to standard error.
PROGRAM = """
import json, sys
before = set(sys.modules)
from sentiment_hf.cli import main
codes = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["sentiment-hf", *words]
    try:
        main()
        codes.append(0)
    except SystemExit as ended:
        codes.append(ended.code or 0)
print(json.dumps([codes, sorted(sys.modules.keys() - before)]), file=sys.stderr)
"""

# What anyone writes who wants to classify a text by these models; `custom_models` knows those without remote code.
FIVE_LINES = f"""
import json, sys
before = set(sys.modules)
import custom_models, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
for folder in json.loads(sys.argv[1]):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        model(**tokenizer({TEXT!r}, return_tensors="pt")).logits.softmax(-1)
print(json.dumps([[], sorted(sys.modules.keys() - before)]), file=sys.stderr)
"""

# What a process there lacks, of what is asked for by name; the rest the libraries decide by `sys.platform`.
WINDOWS = """
import os, signal, sys
import psutil  # it has a half for Windows, which this machine does not import
sys.modules.update(fcntl=None, resource=None)
for module, names in {os: ("sched_getaffinity",), signal: ("SIGHUP", "SIGPIPE")}.items():
    for name in names:
        delattr(module, name)
"""

COMMANDS = (
    "run",
    "pretrain",
    "distill",
    "choose",
    "tune",
    "compare",
    "audit",
    "ensemble",
    "predict",
    "explain",
    "robustness",
    "demo",
    "push",
    "list",
)
YAML = {"yaml", "_yaml"}
# Brotli is there if another package has brought it.
HUB = YAML | {
    "brotli",
    "_brotli",
    "huggingface_hub",
    "httpx2",
    "filelock",
    "idna",
    "typing_extensions",
    "certifi",
    "packaging",
}
ARROW = YAML | {"numpy", "pyarrow", "cloudpickle"}


def imported(words: list[list[str]] | list[str], program: str = PROGRAM) -> tuple[list[int], set[str], set[str]]:
    """Exit codes, then what is imported: packages of distributions, ours aside, and our own modules."""
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(words)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    codes, modules = json.loads(done.stderr.splitlines()[-1])
    ours = {name for name in modules if name.partition(".")[0] == "sentiment_hf"}
    packages = {name.partition(".")[0] for name in modules} & packages_distributions().keys()
    return codes, packages - {"sentiment_hf", "custom_models"}, ours


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> Path:
    """The folder of a run that can be pushed."""
    folder = tmp_path_factory.mktemp("runs") / "fc"
    run_flags(data, folder, "--max_steps", 1, model="custom-fc")
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tokenizer: PreTrainedTokenizerBase) -> list[Path]:
    """A folder with each custom model, and one with a BERT."""
    home = tmp_path_factory.mktemp("saved")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    models = {name: small_model(name) for name in MODEL_NAMES}
    models["bert"] = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **sizes))
    for name, model in models.items():
        model.save_pretrained(home / name)
        tokenizer.save_pretrained(home / name)
    return [home / name for name in models]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["lisst"], 2),
        (["list"], 0),
        *(([command, "--help"], 0) for command in COMMANDS),
        *(([command, "--no_such_flag"], 2) for command in COMMANDS),
        (["run"], 2),
        (["run", "--model", "custom-lsmt"], 2),
        (["run", "--model", "custom-fc", "--seed", "x"], 2),
        (["run", "--model", "custom-fc", "--dataset", "sample", "--push_to_hub"], 2),
        (["predict", "a/b/c", TEXT], 2),
        (["predict", "me/x", TEXT, "--batch_size", "0"], 2),
        (["predict", "me/x", "--file", "no.csv"], 2),
        (["predict", "me/x", TEXT, "--output", "x.csv"], 2),
        (["explain", "a/b/c", TEXT], 2),
        (["explain", "me/x"], 2),
        (["explain", "me/x", TEXT, "--method", "lime"], 2),
        (["explain", "me/x", TEXT, "--output", "x.csv"], 2),
        (["explain", "me/x", "--file", "no.csv"], 2),
        (["robustness", "a/b/c"], 2),
        (["robustness", "me/x", "--rows", "0"], 2),
        (["push", "out"], 2),
        (["demo", "a/b/c"], 2),
        (["demo", "out", "--port", "0"], 2),
        (["ensemble", "a", "b", "--method", "best"], 2),
        (["compare", "--models", "custom-fc"], 2),
        (["compare", "--models", "custom-fc", "--dataset", "sample", "--seeds", "x"], 2),
        (["compare", "--models", "custom-fc", "--dataset", "sample", "--lerning_rate", "1"], 2),
        (["compare", "--models", "custom-fc", "baseline-svm-bow", "--dataset", "sample", "--max_steps", "5"], 2),
        (["compare", "--models", "custom-fc", "--dataset", "sample", "--do_train", "true"], 2),
        (["compare", "out", "--lerning_rate", "1"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_help_list_and_refused_flags_need_the_standard_library_and_yaml_alone(words, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    codes, packages, _ = imported([words])
    assert codes == [code]
    assert packages <= YAML


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["push", "no-run", "--hub_model_id", "me/x", "--dry_run"], HUB),
        (["push", "no-run", "--hub_model_id", "a b"], HUB),
        (["run", "--model", "custom-fc", "--dataset", "sample", "--push_to_hub", "--hub_model_id", "a b"], HUB),
        (["predict", "custom-fc", TEXT], HUB | {"numpy", "tqdm"}),
        (["ensemble", "no-run", "none"], ARROW),
        (["compare", "no-run"], ARROW),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_value_that_cannot_be_used_is_refused_without_torch_and_transformers(words, allowed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    codes, packages, _ = imported([words])
    assert codes == [2]
    assert packages <= allowed


@pytest.mark.slow
def test_one_text_is_classified_by_the_packages_of_a_script_that_loads_the_same_folder(saved):
    codes, packages, ours = imported([["predict", str(folder), TEXT] for folder in saved])
    assert codes == [0] * len(saved)
    _, needed, _ = imported([str(folder) for folder in saved], FIVE_LINES)
    assert "torch" in needed
    assert packages <= needed
    stations = {name.split(".")[1] for name in ours if "." in name}
    assert stations == {"cli", "common", "inference", "models", "runs", "settings", "tasks", "text"}
    assert {name for name in ours if name.startswith("sentiment_hf.runs.")} == {"sentiment_hf.runs.report"}


@pytest.mark.slow
def test_an_adapter_brings_peft_and_a_baseline_scikit_learn_to_what_classifies_a_text(data, saved, tmp_path):
    run_flags(data, tmp_path / "lora", "--tuning", "lora", "--max_steps", 1, model=str(saved[-1]), settings=())
    run_baseline(data, tmp_path / "nb", "baseline-naive-bayes-bow")
    unwanted = {"datasets", "evaluate"}
    codes, packages, _ = imported([["predict", str(tmp_path / "lora"), TEXT]])
    assert (codes, "peft" in packages, packages & (unwanted | {"sklearn"})) == ([0], True, set())
    codes, packages, _ = imported([["predict", str(tmp_path / "nb"), TEXT]])
    assert (codes, "sklearn" in packages, packages & (unwanted | {"peft"})) == ([0], True, set())


def test_a_dry_run_of_push_needs_no_torch(finished):
    codes, packages, _ = imported([["push", str(finished), "--hub_model_id", "me/x", "--dry_run"]])
    assert codes == [0]
    assert not packages & {"torch", "datasets", "peft", "sklearn", "scipy", "pyarrow", "accelerate"}


def test_windows_has_all_that_help_list_predict_and_a_dry_run_import(saved, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = write_csv(tmp_path / "rows.csv", [(TEXT,)], ("text",))
    words = [[command, "--help"] for command in ("run", "compare", "ensemble", "predict", "push", "list")]
    words += [["list"], ["predict", str(saved[0]), TEXT], ["predict", str(saved[-1]), "--file", str(rows)]]
    words += [["push", str(finished), "--hub_model_id", "me/x", "--dry_run"], ["compare", str(finished)]]
    codes, packages, _ = imported(words, WINDOWS + PROGRAM)
    assert codes == [0] * len(words)
    assert "torch" in packages


@pytest.mark.parametrize("command", ["run", "compare", "ensemble"])
def test_what_windows_lacks_is_named_on_one_line_before_anything_is_written(command, data, finished, tmp_path):
    other = tmp_path / "nb"
    words = {
        "run": baseline_flags(data, tmp_path / "out", "baseline-majority"),
        "compare": ["--models", "baseline-majority", "--dataset", "sample", "--output_dir", str(tmp_path / "out")],
        "ensemble": [str(finished), str(other), "--output_dir", str(tmp_path / "out")],
    }
    if command == "ensemble":
        run_baseline(data, other, "baseline-naive-bayes-bow")
    program = f"{WINDOWS}\nfrom sentiment_hf.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, command, *words[command]], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("which Windows does not have; use WSL")
    assert not (tmp_path / "out").exists()


def test_the_package_and_the_scripts_are_the_installed_command(tmp_path):
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    for launch in (["-m", "sentiment_hf", "predict"], [str(root / "scripts" / "predict.py")]):
        done = subprocess.run(
            [sys.executable, *launch, "a/b/c", TEXT],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("error: MODEL a/b/c: no such folder")


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "")],
)
def test_how_threads_wait_is_said_before_torch_is_there_and_what_the_user_says_counts(given, found):
    code = (
        "import os, sys; from sentiment_hf.cli import exit_code_of; "
        "exit_code_of(lambda: print('torch' in sys.modules, os.environ.get('GOMP_SPINCOUNT', '')))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"} | given
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == f"False {found}".strip()
