"""The command tune: search the settings of a model by trials, chosen by validation, with the recipe as the first."""

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.cli.run import data_words
from sentiment_hf.common.errors import FlagParser, InputError, extra_explained
from sentiment_hf.common.layout import LOCK
from sentiment_hf.comparison.plan.flags import DECIDED, flags_of
from sentiment_hf.searching.space import OF_MODEL, Space, built_in, read_space
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import Kind
from sentiment_hf.settings.parser import read_command_line, run_flags
from sentiment_hf.settings.ranges import COUNT, check_range
from sentiment_hf.settings.recipes import recipe_of
from sentiment_hf.settings.run_flags import RUN_PARTS, parse_run

if TYPE_CHECKING:
    from sentiment_hf.searching.page import Found
    from sentiment_hf.searching.search import Search

# Flags of a run that tune sets for each trial. Which model it is, and how it is tuned, the user says.
SET_BY_TUNE = (DECIDED - {"--model", "--model_name_or_path", "--tuning", "--seed", "--output_dir"}) | {"--overwrite"}
SET_BY_TUNE |= {"--config", "--objective", *(f"--{part}" for part in RUN_PARTS)}
TRIALS = 20
# What makes another search of it.
SEARCH = "search.json"


def tune_main(argv: Sequence[str]) -> None:
    """Search, and print what was found; raises as `make_search`."""
    search, found, page = make_search(argv)
    folder = search.folder_of(search.best().params)
    print("\n".join(["", *found.reasons, "", f"written to {page}", *what_next(search, folder)]))


def make_search(argv: Sequence[str]) -> "tuple[Search, Found, Path]":
    """Make the trials that are missing, score test with the best one, and write page and recipe.

    Returns the search, what it found, and the page.

    Raises:
        InputError: flags or space are wrong, or the folder holds another search.
        TrainingError: no trial ended with a score.
        Interrupted: a signal came; the same command goes on.
    """
    args, words, spec, space = parse_tune(argv)
    # Raises InputError on Windows, where no run can be made.
    from sentiment_hf.runs.lock import folder_lock

    with extra_explained("hpo"):
        import optuna  # noqa: F401
    from sentiment_hf.comparison.page.page import check_installed

    check_installed()
    # Imported late, because it imports matplotlib.
    from sentiment_hf.searching.page import found_by, write_page

    folder, asked = asked_for(args, spec, space)
    with folder_lock(folder):
        search = begun(args, words, spec, space, folder, asked)
        search.make_trials(args.trials)
        found = found_by(search, search.score_best())
        return search, found, write_page(search, found)


def parse_tune(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str], RunSpec, Space]:
    """(the flags of tune, those of every trial as words, the run of the recipe, the space); raises InputError."""
    own, words = make_parser().parse_known_args(argv)
    check_range("trials", own.trials, COUNT)
    if taken := SET_BY_TUNE & flags_of(words):
        raise InputError(f"{min(taken)} is set by tune itself, for each trial; leave it out")
    spec = parse_run(words)
    if spec.model.kind is Kind.BASELINE:
        raise InputError(f"--model {spec.model.name}: a baseline chooses its settings by itself; take another model")
    recipe = recipe_of(spec.model, spec.tuning.tuning)
    path = Path(own.space) if own.space else built_in(recipe.stem if recipe else None)
    if path is None:
        raise InputError(f"--space is missing: there is none for --model {spec.model.name}")
    space = of_this_model(read_space(path), spec, path if own.space else None)
    given = flags_of(words) | {f"--{OF_MODEL}.{one.split('=')[0]}" for one in given_settings(words)}
    if fixed := given & {f"--{name}" for name in space}:
        raise InputError(f"{min(fixed)} is varied by the space {path}; leave it out here or there")
    return own, words, spec, space


def given_settings(words: list[str]) -> list[str]:
    """The values of --model_config on the command line."""
    return read_command_line(words, run_flags()).get(OF_MODEL) or []


def of_this_model(space: Space, spec: RunSpec, path: Path | None) -> Space:
    """The space without the settings of layers that a trained model has already.

    Raises InputError if the user's own file, `path`, has some of them.
    """
    if spec.model.is_new:
        return space
    of_flags = {name: values for name, values in space.items() if not name.startswith(f"{OF_MODEL}.")}
    if path and of_flags.keys() != space.keys():
        raise InputError(
            f"--space {path}: {OF_MODEL}: --model {spec.model.name} is trained, and its layers stay as they are"
        )
    return of_flags


def make_parser() -> FlagParser:
    """The parser of the flags of tune; it leaves all others to the trials."""
    parser = FlagParser(
        prog="sentiment-hf tune",
        usage="sentiment-hf tune --model MODEL [FLAGS] [FLAGS OF sentiment-hf run]",
        description=__doc__,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--trials", type=int, default=TRIALS, help=f"so many runs in all, the recipe first (default: {TRIALS})"
    )
    parser.add_argument("--space", help="YAML file with the values of each setting (default: that of the model)")
    parser.add_argument(
        "--output_dir", type=Path, help="for all trials and the page (default: out/tune/<data>/<model>)"
    )
    parser.add_argument("--tune_seed", type=int, default=0, help="seed of the search, not of the trials (default: 0)")
    return parser


def asked_for(args: argparse.Namespace, spec: RunSpec, space: Space) -> tuple[Path, dict]:
    """The folder of the search, and what makes another search of it; raises InputError if it holds something else."""
    # Imported after the flags are accepted, because these import torch.
    from sentiment_hf.common.files import read_json
    from sentiment_hf.data.splits import load_splits
    from sentiment_hf.runs.identity import flags_of_method

    splits = load_splits(spec.data)
    name = spec.model.name if spec.model.is_new else f"{spec.model.short_name}-{spec.how}"
    folder = args.output_dir or Path("out", "tune", splits.name, name.lower())
    asked = {"model": spec.model.name, "seed": spec.training["seed"], "tune_seed": args.tune_seed}
    asked |= {"data": splits.data_hash, "task": splits.task.name, "labels": list(splits.task.labels)}
    asked |= {"flags": flags_of_method(spec, splits.task), "space": {name: vars(one) for name, one in space.items()}}
    if (folder / SEARCH).is_file():
        require_same_search(read_json(folder / SEARCH, "choose another --output_dir"), asked, folder)
    elif folder.exists() and {path.name for path in folder.iterdir()} - {LOCK}:
        raise InputError(f"--output_dir {folder} is not empty and holds no search; choose another folder")
    return folder, asked


def begun(
    args: argparse.Namespace, words: list[str], spec: RunSpec, space: Space, folder: Path, asked: dict
) -> "Search":
    """The search in its folder, new or as far as it came; raises InputError if a setting of the space is unknown."""
    from sentiment_hf.common.files import write_json
    from sentiment_hf.searching.search import Search, open_study, recipe_values
    from sentiment_hf.tasks.saved import task_named

    ranking = task_named(asked["task"], asked["labels"], None, None).ranking
    recipe = recipe_values(spec, space)
    write_json(folder / SEARCH, asked)
    return Search(folder, words, spec, space, recipe, ranking, open_study(folder, args.tune_seed, ranking))


def require_same_search(saved: dict, asked: dict, folder: Path) -> None:
    """Raise InputError unless the folder holds the search that is asked for."""
    asked = json.loads(json.dumps(asked))
    for name in asked:
        if saved.get(name) != asked[name]:
            raise InputError(
                f"--output_dir {folder} holds another search ({name}: {saved.get(name)!r:.80} there, "
                f"{asked[name]!r:.80} here); choose another folder"
            )


def what_next(search: "Search", folder: Path) -> list[str]:
    """Commands that users try next."""
    from sentiment_hf.runs.report import Report
    from sentiment_hf.searching.search import BEST

    best, place = (shlex.quote(str(path)) for path in (search.folder / BEST, folder))
    data = data_words(Report.load(folder).command)
    return ["Next:", f"  sentiment-hf predict {place} 'A text.'", f"  sentiment-hf run --config {best} --refit{data}"]
