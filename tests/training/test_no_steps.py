"""A run that trains nothing is no finished run, and one process has one GPU."""

from types import SimpleNamespace

import pytest
import torch
from helpers import flags, run_flags, write_data

from sentiment_hf.cli import run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.device import refuse_data_parallel
from sentiment_hf.training.train import refusals_explained


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def test_a_run_without_a_step_fails_and_leaves_nothing_to_push(data, tmp_path, capsys):
    argv = flags(data, tmp_path / "run", "--dataloader_drop_last", "true", "--per_device_train_batch_size", "512")
    assert run_command(argv) == 3
    assert (
        "--dataloader_drop_last leaves out the only batch (40 rows of train, batches of 512)"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "run" / "report.json").exists()
    assert not (tmp_path / "run" / "README.md").exists()


def test_patience_without_evaluation_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="--early_stopping_patience 2 counts evaluations, and --eval_strategy is no"):
        parse_run(flags(data, tmp_path, "--eval_strategy", "no", "--early_stopping_patience", "2"))


def test_several_gpus_in_one_process_are_refused_with_the_command_for_them():
    with pytest.raises(InputError, match=r"on 2 GPUs.*accelerate launch --multi_gpu.*CUDA_VISIBLE_DEVICES=0"):
        refuse_data_parallel(SimpleNamespace(n_gpu=2))
    refuse_data_parallel(SimpleNamespace(n_gpu=1))
    refuse_data_parallel(SimpleNamespace(n_gpu=0))


def test_a_report_has_the_device_and_a_checkpoint_the_flags_as_they_were_given(data, tmp_path):
    report = run_flags(data, tmp_path / "run", "--save_total_limit", "1")
    assert (report["device_kind"], bool(report["device"])) == ("cpu", True)
    saved = [*(tmp_path / "run").glob("checkpoint-*/training_args.bin"), tmp_path / "run" / "training_args.bin"]
    args = [torch.load(path, weights_only=False) for path in saved if path.is_file()]
    assert args
    assert {one.save_total_limit for one in args} == {1}


def test_a_full_shared_memory_is_named_with_the_flag_that_does_without():
    with pytest.raises(InputError, match=r"/dev/shm.*--dataloader_num_workers 0"), refusals_explained():
        raise OSError(28, "No space left on device")


NUMBERS = ("label_smoothing_factor", "adam_beta1", "adam_epsilon", "weight_decay", "validation_size", "warmup_steps")


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e400", "10000000000000"])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_out_of_its_range_is_refused_by_its_flag(name, value, data, tmp_path):
    with pytest.raises(InputError, match=f"--{name} .*: expected"):
        parse_run(flags(data, tmp_path, f"--{name}", value))
