"""Settings and resuming: E601 and on."""

from pathlib import Path

from helpers import write_data

from faults.everyday.trouble import refuses
from faults.fault import Fault
from faults.ground import make_model
from faults.programs import our_argv, plain_argv


def ours(*more: str):
    """The command line of a run with more flags."""
    return lambda home: [*our_argv(write_data(home), home / "run"), *more]


def plain(*more: str):
    """The same of the plain program."""

    def make(home: Path) -> list[str]:
        make_model(write_data(home))
        return [*plain_argv(home, home / "run"), *more]

    return make


NO_BATCH = ("--dataloader_drop_last", "true", "--per_device_train_batch_size", "512")
SMOOTH = ("--label_smoothing_factor", "10")
BETA = ("--adam_beta1", "1.5")
EPSILON = ("--adam_epsilon", "nan")
NO_EVALUATION = ("--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false")

FAULTS: list[Fault] = [
    refuses("E601", "no step is made", ours(*NO_BATCH), "the only batch", code=3, plain=plain(*NO_BATCH)),
    refuses("E602", "label smoothing of 10", ours(*SMOOTH), "--label_smoothing_factor 10", plain=plain(*SMOOTH)),
    refuses("E603", "a beta of Adam of 1.5", ours(*BETA), "--adam_beta1 1.5", plain=plain(*BETA)),
    refuses("E604", "an epsilon that is no number", ours(*EPSILON), "--adam_epsilon nan", plain=plain(*EPSILON)),
    refuses(
        "E605",
        "patience without evaluation",
        ours(*NO_EVALUATION, "--early_stopping_patience", "2"),
        "--early_stopping_patience 2",
    ),
    refuses("E606", "a validation share of 1.5", ours("--validation_size", "1.5"), "--validation_size 1.5"),
]
