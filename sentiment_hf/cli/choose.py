"""The command choose: climb a ladder of models on your data, within limits, and say which one to take and why."""

import argparse
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.errors import FlagParser, InputError
from sentiment_hf.common.layout import BASELINE_FILE
from sentiment_hf.settings.arguments import DataArguments, RunSpec
from sentiment_hf.settings.flags import flags_of
from sentiment_hf.settings.run_flags import parse_run

if TYPE_CHECKING:
    from sentiment_hf.choosing.climb import Climb
    from sentiment_hf.choosing.ladder import Rung

PAGE = "choice.html"

# Rows of validation below which the page says that they are few.
FEW = 200

# Flags of the data that choose has itself, or that would change the data from one model to the next.
NOT_TAKEN = {"unlabelled_file", "max_unlabelled_samples", "predict_unlabelled", "streaming"}
NOT_TAKEN |= {"extra_column_names", "columns_as_text"}


def choose_main(argv: Sequence[str]) -> None:
    """Choose a model, and print what to take and why; raises as `make_choice`."""
    climb = make_choice(argv)
    print("\n".join(["", *climb.state.reasons, "", f"written to {climb.folder / PAGE}", *what_next(climb)]))


def make_choice(argv: Sequence[str]) -> "Climb":
    """Choose a model, score it on test, and write the page, or take all of it from a finished choice.

    Raises:
        InputError: flags are wrong, the data cannot be read, or the folder holds another choice.
        TrainingError: no model could be trained.
        Interrupted: a signal came; the same command goes on.
    """
    start = time.monotonic()
    args, data, spec = parse_choose(argv)
    from sentiment_hf.comparison.page.page import check_installed

    # Raises InputError on Windows, where no run can be made.
    from sentiment_hf.runs.lock import folder_lock

    check_installed()
    climb, rungs = begun(args, data, spec, start)
    if climb.state.chosen is None:
        with folder_lock(climb.folder):
            climb.climb(rungs)
            finish(climb)
    return climb


def parse_choose(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str], RunSpec]:
    """(the flags of choose, those of the data as words, the settings of a run on these data); raises InputError."""
    parser = make_parser()
    own, words = parser.parse_known_args(argv)
    known = {option for flag in flags_of(DataArguments) for option in flag.options if flag.name not in NOT_TAKEN}
    known |= {"--num_cpu_threads"}
    if unknown := [word for word in words if word.startswith("--") and word.split("=")[0] not in known]:
        flag = unknown[0].split("=")[0]
        raise InputError(
            f"{flag}: choose decides it, or has no such flag; it takes those that name the data, and "
            f"{', '.join(sorted(f'--{name}' for name in vars(own)))}"
        )
    for name in ("minutes", "max_ms", "max_mb"):
        value = getattr(own, name)
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name} {value:g}: expected a number above 0")
    if not any(word.startswith("--") and word.split("=")[0] != "--num_cpu_threads" for word in words):
        raise InputError("on which data? Name it as for `sentiment-hf run`: --dataset imdb, or --train_file ...")
    if own.unlabelled_file and not Path(own.unlabelled_file).exists():
        raise InputError(f"--unlabelled_file {own.unlabelled_file}: there is no such file or folder")
    return own, words, parse_run(["--model", "custom-ngram", *words])


def make_parser() -> FlagParser:
    """The parser of the flags of choose; it leaves those of the data to `run`."""
    parser = FlagParser(
        prog="sentiment-hf choose",
        usage="sentiment-hf choose [FLAGS] [FLAGS OF sentiment-hf run THAT NAME THE DATA]",
        description=__doc__,
        allow_abbrev=False,
    )
    parser.add_argument("--minutes", type=float, default=30, help="time for all of it (default: 30)")
    parser.add_argument("--max_ms", type=float, help="most milliseconds that the model may take for a single text")
    parser.add_argument("--max_mb", type=float, help="most megabytes that the files of the model may have")
    parser.add_argument(
        "--pretrained",
        nargs="+",
        default=[],
        metavar="FOLDER_OR_ID",
        help="checkpoints to tune as well: their head, LoRA adapters, all weights",
    )
    parser.add_argument(
        "--unlabelled_file",
        help="texts without labels: a custom-gru begins as a language model of them, and n-grams learn what the "
        "best model says of them, if that is a slower one",
    )
    parser.add_argument("--trust_remote_code", action="store_true", help="run the code that comes with --pretrained")
    parser.add_argument("--output_dir", type=Path, help="for all models and the page (default: out/choose/<data set>)")
    return parser


def begun(args: argparse.Namespace, data: list[str], spec: RunSpec, start: float) -> "tuple[Climb, list[Rung]]":
    """The choice in its folder, new or as far as it came, and its ladder; raises InputError.

    start: when the command began, by `time.monotonic`.
    """
    # Imported after the flags are accepted, because these import torch.
    from sentiment_hf.choosing.climb import Climb
    from sentiment_hf.choosing.ladder import ladder
    from sentiment_hf.choosing.state import State
    from sentiment_hf.common.files import files_hash
    from sentiment_hf.data.splits import load_splits

    splits = load_splits(spec.data)
    rungs = ladder(args.pretrained, args.trust_remote_code, splits.task)
    folder = args.output_dir or Path("out", "choose", splits.name)
    unlabelled = files_hash([Path(args.unlabelled_file)]) if args.unlabelled_file else None
    asked = {"data": splits.data_hash, "task": splits.task.name, "labels": list(splits.task.labels)}
    asked |= {"pretrained": list(args.pretrained), "unlabelled": unlabelled}
    limits = {name: getattr(args, name) for name in ("minutes", "max_ms", "max_mb")}
    if folder.exists() and any(folder.iterdir()) and not (folder / "choice.json").is_file():
        raise InputError(f"--output_dir {folder} is not empty and holds no choice; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    state = State.load(folder, asked, limits)
    state.save(folder)
    return Climb(folder, data, splits, state, args.unlabelled_file, args.trust_remote_code, start), rungs


def finish(climb: "Climb") -> None:
    """Take a model, score it on test, and write the page."""
    from sentiment_hf.choosing.climb import LONG
    from sentiment_hf.choosing.contenders import take
    from sentiment_hf.choosing.page import write_page

    contenders = list(climb.contenders.values())
    taken = take(contenders)
    report = climb.scored_on_test(taken.contender)
    ranking = taken.contender.side.task.ranking
    interval = {"value": report.test[ranking.key]}
    climb.state.reasons = [
        f"Take {taken.contender.name}.",
        *taken.reasons,
        *climb.about_rows(),
        *few_rows(len(climb.splits.validation)),
        f"On test, scored once, it has {ranking.name} {ranking.brief(interval['value'])}.",
        *climb.about_left_out(),
    ]
    climb.state.chosen, climb.state.test = taken.contender.name, report.test
    rows = {part: len(getattr(climb.splits, part)) for part in ("train", "validation", "test")}
    facts = {"dataset": climb.splits.name, "device": f"{report.device}, {report.threads} threads"}
    write_page(climb.folder / PAGE, climb.state, contenders, rows | facts | {"long": LONG})
    # Last: a choice that is saved has its page.
    climb.save()


def few_rows(validation: int) -> list[str]:
    """The sentence on a validation part that tells little apart."""
    if validation >= FEW:
        return []
    return [
        f"Validation has {validation:,} rows, which tell little apart: more labelled rows for it are worth more than "
        "more models."
    ]


def what_next(climb: "Climb") -> list[str]:
    """Commands that users try next."""
    chosen = climb.folder / climb.state.chosen
    folder = shlex.quote(str(chosen))
    commands = [f"sentiment-hf predict {folder} 'A text.'", f"sentiment-hf serve {folder}"]
    if not (chosen / BASELINE_FILE).is_file():
        commands += [f"sentiment-hf export {folder}", f"sentiment-hf push {folder} --hub_model_id OWNER/NAME"]
    return ["Next:", *(f"  {command}" for command in commands)]
