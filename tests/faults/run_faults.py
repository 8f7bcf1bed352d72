"""Block R: training that goes wrong, a machine that has no more to give, two runs where one should be."""

import math
import multiprocessing
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import transformers.trainer
from safetensors.torch import load_file
from transformers import Trainer, TrainerCallback

from faults.fault import REFUSED, SURVIVED, Fault, copy_of, run_again, verdict
from faults.ground import Ground, contents, result
from faults.shot import Ended, kill_after, shoot

BREAKS_AT = 7


class AfterStep(TrainerCallback):
    """Does something after a step."""

    def __init__(self, step: int, act: Callable[[], None]):
        self.step, self.act = step, act

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            self.act()


def after_step(step: int, act: Callable[[], None]) -> None:
    """In every training of this process."""
    transformers.trainer.DEFAULT_CALLBACKS.append(AfterStep(step, act))


def breaking(change: Callable[[Trainer, torch.nn.Module, torch.Tensor], torch.Tensor]) -> None:
    """Every loss of training goes through `change`."""
    compute_loss = Trainer.compute_loss

    def changed(trainer: Trainer, model, inputs, *args, **kwargs):
        loss = compute_loss(trainer, model, inputs, *args, **kwargs)
        return change(trainer, model, loss) if model.training else loss

    Trainer.compute_loss = changed


def nan_loss(trainer: Trainer, model: torch.nn.Module, loss: torch.Tensor) -> torch.Tensor:
    """From a step on."""
    return loss * math.nan if trainer.state.global_step + 1 >= BREAKS_AT else loss


def infinite_gradient(trainer: Trainer, model: torch.nn.Module, loss: torch.Tensor) -> torch.Tensor:
    """With a loss that is finite."""
    if trainer.state.global_step + 1 == BREAKS_AT:
        model.classifier.weight.register_hook(lambda gradient: gradient * math.inf)
    return loss


def too_large(trainer: Trainer, model: torch.nn.Module, loss: torch.Tensor) -> torch.Tensor:
    """Memory for four texts."""
    if trainer.args.per_device_train_batch_size > 4 and trainer._train_batch_size > 4:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
    return loss


def nan_logits() -> None:
    """In every evaluation from a step on."""
    prediction_step = Trainer.prediction_step

    def changed(trainer: Trainer, *args, **kwargs):
        loss, logits, labels = prediction_step(trainer, *args, **kwargs)
        if trainer.state.global_step >= BREAKS_AT - 1:
            # A plain `Trainer` without metrics of its own looks at the loss only.
            loss, logits = loss * math.nan, None if logits is None else logits * math.nan
        return loss, logits, labels

    Trainer.prediction_step = changed


def stops(before: Callable[[], None], ground: Ground, home: Path) -> list[str]:
    """Training ends with an error and a word on it, no weight that was saved is broken, no result is there."""
    folder = home / "run"
    ended = shoot(ground.program.main, ground.program.argv(ground.data, folder), home / "log", before=before)
    if ended.code == 0:
        return ["WRONG: goes on, exit code 0"]
    if ended.code != 3 or "Traceback" in ended.stderr:
        return [f"traceback: {ended.stderr.strip().splitlines()[-1].split(':')[0][:60]}"]
    shown = shoot(finite, [str(folder)], home / "finite.log")
    return [REFUSED if shown.code == 0 and not (folder / "report.json").exists() else "WRONG: weights that are broken"]


def finite(argv: list[str]) -> int:
    """0 if there are checkpoints, whose weights are finite; in a process of its own, for it computes."""
    saved = [load_file(path) for path in Path(argv[0]).glob("checkpoint-*/model.safetensors")]
    return 0 if saved and all(tensor.isfinite().all() for weights in saved for tensor in weights.values()) else 1


def goes_on(before: Callable[[], None], more: list[str], ground: Ground, home: Path) -> list[str]:
    """The run ends with an error and, given once more, as if nothing had been."""
    folder = home / "run"
    argv = [*ground.program.argv(ground.data, folder), *more]
    ended = shoot(ground.program.main, argv, home / "log", before=before)
    after = verdict(ground, folder, shoot(ground.program.main, argv, home / "log"))
    if ended.code == 3 or after != SURVIVED:
        return [after]
    return ["hangs, then survived" if ended.code is None else f"exit code {ended.code}, then survived"]


def full_disk() -> None:
    """No file may have more than 3 000 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))


def kill_workers() -> None:
    """Those that fetch batches; the sleep ends when the end of one is noticed."""
    for worker in multiprocessing.active_children():
        worker.kill()
    time.sleep(30)


def smaller_batches(ground: Ground, home: Path) -> list[str]:
    """Steps of the same texts: the result is that of half the texts, twice as often."""
    halves = ["--per_device_train_batch_size", "4", "--gradient_accumulation_steps", "2"]
    small = shoot(ground.program.main, [*ground.program.argv(ground.data, home / "small"), *halves], home / "log")
    assert small.code == 0, small.stderr
    argv = [*ground.program.argv(ground.data, home / "run"), "--auto_find_batch_size", "true"]
    ended = shoot(ground.program.main, argv, home / "log", before=partial(breaking, too_large))
    try:
        return [verdict(replace(ground, expected=result(home / "small")), home / "run", ended)]
    except FileNotFoundError:
        return ["WRONG: other steps, exit code 0"]


def too_large_and_no_flag(ground: Ground, home: Path) -> list[str]:
    """The message names the flags."""
    argv = ground.program.argv(ground.data, home / "run")
    ended = shoot(ground.program.main, argv, home / "log", before=partial(breaking, too_large))
    return [refusal(ended, "--auto_find_batch_size")]


def refusal(ended: Ended, words: str) -> str:
    """Refused if the last line holds the words."""
    last = ended.stderr.strip().splitlines()[-1]
    if ended.code == 0:
        return "WRONG: not noticed, exit code 0"
    return REFUSED if ended.code == 2 and words in last else f"traceback: {last.split(':')[0][:60]}"


def no_folder(ground: Ground, home: Path) -> list[str]:
    """The path leads through a file."""
    (home / "file").write_text("")
    ended = shoot(ground.program.main, ground.program.argv(ground.data, home / "file" / "run"), home / "log")
    return [refusal(ended, "choose another folder")]


def second_run(ground: Ground, home: Path) -> list[str]:
    """While the first trains; the first then ends as if it had been alone."""
    folder, second = home / "run", []
    argv = ground.program.argv(ground.data, folder)

    def meanwhile(pid: int) -> None:
        while not list(folder.glob("checkpoint-*")):
            time.sleep(0.01)
        os.kill(pid, signal.SIGSTOP)
        second.append(shoot(ground.program.main, argv, home / "second.log"))
        os.kill(pid, signal.SIGCONT)

    first = shoot(ground.program.main, argv, home / "log", meanwhile=meanwhile)
    alone = verdict(ground, folder, first)
    return [refusal(second[0], "in use by process") if alone == SURVIVED else alone]


def stale_lock(ground: Ground, home: Path) -> list[str]:
    """Left by a run that was killed."""
    argv = ground.program.argv(ground.data, home / "run")
    shoot(ground.program.main, argv, home / "log", meanwhile=kill_after(ground.seconds / 2, signal.SIGKILL))
    return [verdict(ground, home / "run", run_again(ground, home / "run"))]


def clock_back(ground: Ground, home: Path) -> list[str]:
    """The newest checkpoint has the oldest date, as after the clock was set or the folder copied."""
    folder = copy_of(ground.killed, home)
    for age, step in enumerate((2, 6, 8)):
        for path in (folder / f"checkpoint-{step}", *(folder / f"checkpoint-{step}").iterdir()):
            os.utime(path, (time.time() - 1000 * age, time.time() - 1000 * age))
    ended = run_again(ground, folder)
    kept = {path.name for path in folder.glob("checkpoint-*")}
    found = verdict(ground, folder, ended)
    return [found if {"checkpoint-10", "checkpoint-12"} <= kept else f"WRONG: {', '.join(sorted(kept))} are kept"]


def other_data(ground: Ground, home: Path) -> list[str]:
    """A word is another one in the training file since the run was killed."""
    folder = copy_of(ground.killed, home)
    data = Path(shutil.copytree(ground.data, home / "data"))
    (data / "train.csv").write_text((data / "train.csv").read_text().replace("soup", "broth", 1))
    before = contents(folder)
    ended = shoot(ground.program.main, ground.program.argv(data, folder), home / "log")
    return [refusal(ended, "--force_resume") if before == contents(folder) or ended.code == 0 else "folder is changed"]


WORKERS = ["--dataloader_num_workers", "1"]

FAULTS = [
    Fault("R01", "loss NaN", REFUSED, partial(stops, partial(breaking, nan_loss))),
    Fault("R02", "gradient infinite, loss finite", REFUSED, partial(stops, partial(breaking, infinite_gradient))),
    Fault("R03", "NaN in evaluation", REFUSED, partial(stops, nan_logits)),
    Fault("R04", "out of memory, --auto_find_batch_size", SURVIVED, smaller_batches),
    Fault("R05", "out of memory", REFUSED, too_large_and_no_flag),
    Fault("R06", "data worker killed", SURVIVED, partial(goes_on, partial(after_step, 7, kill_workers), WORKERS)),
    Fault("R07", "disk full in the middle", SURVIVED, partial(goes_on, partial(after_step, 9, full_disk), [])),
    Fault("R08", "output folder below a file", REFUSED, no_folder),
    Fault("R09", "second run in the same folder", REFUSED, second_run),
    Fault("R10", "lock of a run that was killed", SURVIVED, stale_lock),
    Fault("R11", "newest checkpoint with the oldest date", SURVIVED, clock_back),
    Fault("R12", "training data changed since", REFUSED, other_data),
]
