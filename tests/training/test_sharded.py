"""Two processes that share out the weights, by FSDP or DeepSpeed, train the model that one process trains."""

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from helpers import flags, read_report, relabelled, save_bert, weights, write_data
from launching import ACCELERATE, ROOT, environment
from torch import distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy
from transformers import AutoConfig, AutoModelForSequenceClassification, pipeline

import sentiment_hf
from sentiment_hf.common.errors import InputError
from sentiment_hf.models.temperature import divide_logits
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.sharding import name_as_before

CONFIGS = ROOT / "configs" / "accelerate"
EXACT = ("embedding_size=8", "hidden_size=8", "num_heads=2", "intermediate_size=16", "dropout=0")
EXACT += ("embedding_dropout=0", "layer_dropout=0")
# AdamW would make steps of the rounding errors of weights that have almost no gradient.
MORE = ("--learning_rate", 0.02, "--adam_epsilon", 1e-4, "--per_device_train_batch_size")

# One launch for all: what it costs is the start of its processes. They part at the end of a run, here at the very end.
ALL = """
import json, sys
import torch
sys.path.insert(0, "tests")
from helpers import Stop, run_until
from sentiment_hf.cli import exit_code_of
from sentiment_hf.cli.run import run_main
from sentiment_hf.training.safe_trainer import SafeTrainer
SafeTrainer.end = lambda trainer: None
made, refused = json.loads(sys.argv[1])
for argv in made:
    if "stopped" in argv[argv.index("--output_dir") + 1]:
        run_until(Stop(3), argv)
    assert exit_code_of(lambda: run_main(argv)) == 0
for argv in refused:
    assert exit_code_of(lambda: run_main(argv)) == 2
torch.distributed.destroy_process_group()
"""


def start(config: str, made: list[list[str]], refused: list[list[str]], folder: Path) -> str:
    """Make runs in two processes; returns what they wrote on standard error."""
    (folder / "all.py").write_text(ALL)
    command = [*ACCELERATE, "--config_file", str(CONFIGS / config), str(folder / "all.py")]
    command.append(json.dumps([made, refused]))
    where = environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=where, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), train=40, validation=16, test=23)


@pytest.fixture(scope="module")
def base(data, tmp_path_factory) -> Path:
    return save_bert(tmp_path_factory.mktemp("base") / "bert", data, hidden_dropout_prob=0.0)


def runs(data: Path, base: Path, folder: Path, batch: int) -> dict[str, list[str]]:
    """Command lines by name: a custom model, undisturbed, interrupted, fitted twice, for numbers; a checkpoint."""
    custom = {"model": "custom-transformer", "settings": EXACT}
    stock = {"model": base, "settings": ()}
    numbers = relabelled(data, folder / "data of numbers", ("1200.5", "1350"))
    return {
        "custom": flags(data, folder / "custom", *MORE, batch, **custom),
        "stopped": flags(data, folder / "stopped", *MORE, batch, **custom),
        "refit": flags(data, folder / "refit", *MORE, batch, "--refit", **custom),
        "numbers": flags(numbers, folder / "numbers", *MORE, batch, "--task", "regression", **custom),
        "stock": flags(data, folder / "stock", *MORE, batch, **stock),
        "lora": flags(data, folder / "lora", *MORE, batch, "--tuning", "lora", "--lora_dropout", 0, **stock),
    }


@pytest.fixture(scope="module")
def two_and_one(data, base, tmp_path_factory) -> tuple[Path, Path, str]:
    """Folders of the runs by two processes with FSDP and by one, and what the two said."""
    folder = tmp_path_factory.mktemp("runs")
    refused = [
        flags(data, folder / "no", "--ema", 0.9, model="custom-transformer", settings=EXACT),
        flags(data, folder / "no", model="custom-lstm"),
    ]
    cpu = ["--use_cpu"]
    made = [argv + cpu for argv in runs(data, base, folder / "two", 4).values()]
    said = start("fsdp.yaml", made, [argv + cpu for argv in refused], folder)
    assert not any((folder / "no").iterdir())
    for argv in runs(data, base, folder / "one", 8).values():
        run(parse_run(argv))
    return folder / "two", folder / "one", said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["custom", "stopped", "refit", "numbers", "stock"])
def test_fsdp_trains_and_scores_as_one_process_does(two_and_one, name):
    two, one = (read_report(folder / name) for folder in two_and_one[:2])
    assert (one["processes"], one["sharding"]) == (1, None)
    assert (two["processes"], two["sharding"]) == (2, "fsdp")
    for field in ("steps", "best_step", "train_tokens", "parameters", "trainable_parameters"):
        assert two[field] == one[field], field
    found, expected = (weights(folder / name) for folder in two_and_one[:2])
    assert found.keys() == expected.keys()
    for weight, tensor in expected.items():
        torch.testing.assert_close(found[weight], tensor, rtol=0, atol=2e-5, msg=weight)
    for split in ("validation", "test"):
        assert two[split]["loss"] == pytest.approx(one[split]["loss"], abs=1e-4)
    if name != "numbers":
        assert two["calibration"]["temperatures"] == pytest.approx(one["calibration"]["temperatures"], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["custom", "stopped", "stock", "lora"])
def test_what_fsdp_saves_any_program_can_load_and_it_says_what_was_scored(two_and_one, data, name):
    two = two_and_one[0] / name
    rows = [line.rsplit(",", 1) for line in (data / "test.csv").read_text().splitlines()[1:]]
    answers = sentiment_hf.predict(two, [text for text, label in rows])
    chances = torch.tensor([answer["scores"][label] for answer, (text, label) in zip(answers, rows, strict=True)])
    assert float(-chances.log().mean()) == pytest.approx(read_report(two)["test"]["loss"], abs=1e-4)
    assert not [path.name for path in two.rglob("*.py") if path.stem.startswith("_")]
    if name != "lora":
        answer = pipeline("text-classification", str(two), device="cpu")(rows[0][0], top_k=None)
        assert {one["label"]: one["score"] for one in answer} == pytest.approx(answers[0]["scores"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("deepspeed"), reason="DeepSpeed is not installed")
@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_trains_and_calibrates_as_one_process_does(data, tmp_path, stage):
    # From trained weights: in the memory of two processes ZeRO-3 would draw others.
    run(parse_run(flags(data, tmp_path / "start", *MORE, 8, model="custom-transformer", settings=EXACT)))
    given = {"model": tmp_path / "start", "settings": ()}
    argv = [flags(data, tmp_path / name, *MORE, batch, **given) for name, batch in (("two", 4), ("one", 8))]
    start(f"deepspeed-zero{stage}.yaml", [argv[0] + ["--use_cpu"]], [], tmp_path)
    run(parse_run(argv[1]))
    two, one = read_report(tmp_path / "two"), read_report(tmp_path / "one")
    assert (two["processes"], two["sharding"]) == (2, "deepspeed")
    assert two["parameters"] == one["parameters"]
    found, expected = weights(tmp_path / "two"), weights(tmp_path / "one")
    for weight, tensor in expected.items():
        torch.testing.assert_close(found[weight], tensor, rtol=0, atol=2e-5, msg=weight)
    assert two["test"]["loss"] == pytest.approx(one["test"]["loss"], abs=1e-4)


@pytest.fixture
def sharded(tmp_path):
    """A model that FSDP shares out, over one process, and its weights before."""
    dist.init_process_group("gloo", f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("custom-fc", vocab_size=9)).eval()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    yield fully_shard(model), before
    dist.destroy_process_group()


def test_a_model_that_is_shared_out_is_saved_under_its_own_name(sharded):
    model, _ = sharded
    name_as_before(model)
    assert isinstance(model, FSDPModule)
    assert (type(model).__name__, type(model).__module__) == ("FCForSequenceClassification", "custom_models.fc")


def test_a_temperature_stays_in_weights_that_are_shared_out(sharded):
    model, before = sharded
    ids = torch.tensor([[1, 2, 3]])
    assert divide_logits(model, np.array([2.0, 2.0]), lambda: model(input_ids=ids).logits, lambda logits: logits / 2)
    after = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight / 2 if name.startswith("classifier") else weight)


def asked(config: str) -> argparse.Namespace:
    """What `accelerate launch` understands of a file."""
    words = ["--config_file", str(CONFIGS / config), "scripts/run.py"]
    return _validate_launch_command(launch_command_parser().parse_args(words))[0]


def test_accelerate_understands_the_launch_of_fsdp(monkeypatch):
    launch = asked("fsdp.yaml")
    assert (launch.use_fsdp, launch.num_processes) == (True, 2)
    for name, value in prepare_multi_gpu_env(launch).items():
        monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert (plugin.fsdp_version, plugin.state_dict_type.name) == (2, "FULL_STATE_DICT")
    assert (plugin.reshard_after_forward, plugin.cpu_ram_efficient_loading) == (True, False)
    assert plugin.auto_wrap_policy is transformer_auto_wrap_policy
    assert plugin.transformer_cls_names_to_wrap is None


@pytest.mark.parametrize("stage", [2, 3])
def test_accelerate_understands_the_launches_of_deepspeed(monkeypatch, stage):
    launch = asked(f"deepspeed-zero{stage}.yaml")
    assert (launch.use_deepspeed, launch.num_processes) == (True, 2)
    launch.deepspeed_fields_from_accelerate_config = ",".join(
        load_config_from_file(launch.config_file).deepspeed_config
    )
    for name, value in prepare_deepspeed_cmd_env(launch)[1].items():
        monkeypatch.setenv(name, value)
    # Only whether it is installed is asked for here.
    monkeypatch.setattr("accelerate.utils.imports.is_deepspeed_available", lambda: True)
    monkeypatch.setattr(DeepSpeedPlugin, "set_deepspeed_weakref", lambda self: None)
    zero = DeepSpeedPlugin().deepspeed_config["zero_optimization"]
    assert zero["stage"] == stage
    assert bool(zero["stage3_gather_16bit_weights_on_model_save"]) == (stage == 3)


def test_the_launch_over_several_machines_has_all_processes(monkeypatch):
    launch = asked("ddp-nodes.yaml")
    assert (launch.multi_gpu, launch.num_machines, launch.num_processes) == (True, 2, 8)


@pytest.mark.parametrize("how", ["flag", "launch"])
def test_deepspeed_that_is_missing_is_named_with_what_to_install(monkeypatch, tmp_path, how):
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    more = ["--deepspeed", '{"zero_optimization": {"stage": 2}}'] if how == "flag" else []
    if how == "launch":
        monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    words = ["--model", "custom-fc", "--dataset", "sample", "--output_dir", str(tmp_path / "run"), *more]
    with pytest.raises(InputError, match=r"deepspeed is not installed: pip install 'sentiment-hf\[deepspeed\]'"):
        training_arguments(parse_run(words))


@pytest.mark.slow
def test_what_does_not_go_with_fsdp_is_refused_in_one_line(two_and_one):
    assert "error: --ema needs whole weights in each process, and FSDP shares them out" in two_and_one[2]
    assert "error: FSDP cannot share out the recurrent layers of custom-lstm" in two_and_one[2]
