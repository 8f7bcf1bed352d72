"""The command tune: search the settings of a model by trials, chosen by validation, with the recipe as the first."""

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.errors import FlagParser, InputError, extra_explained
from sentiment_hf.comparison.plan.flags import DECIDED, flags_of
from sentiment_hf.searching.space import Space, built_in, read_space
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import Kind
from sentiment_hf.settings.ranges import COUNT, check_range
from sentiment_hf.settings.recipes import recipe_of
from sentiment_hf.settings.run_flags import RUN_PARTS, parse_run

if TYPE_CHECKING:
    from sentiment_hf.searching.page import Found
    from sentiment_hf.searching.search import Search

# Flags of a run that tune sets for each trial. Which model it is, and how it is tuned, the user says.
SET_BY_TUNE = (DECIDED - {"--model", "--model_name_or_path", "--tuning", "--seed", "--output_dir"}) | {"--overwrite"}
SET_BY_TUNE |= {"--config", *(f"--{part}" for part in RUN_PARTS)}
TRIALS = 20


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
    import sentiment_hf.runs.lock  # noqa: F401

    with extra_explained("hpo"):
        import optuna  # noqa: F401
    from sentiment_hf.comparison.page.page import check_installed

    check_installed()
    search = begun(args, words, spec, space)
    search.make_trials(args.trials)
    report = search.score_best()
    # Imported late, because it imports matplotlib.
    from sentiment_hf.searching.page import found_by, write_page

    found = found_by(search, report)
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
    space = read_space(path)
    if fixed := flags_of(words) & {f"--{name}" for name in space}:
        raise InputError(f"{min(fixed)} is varied by the space {path}; leave it out here or there")
    return own, words, spec, space


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


def begun(args: argparse.Namespace, words: list[str], spec: RunSpec, space: Space) -> "Search":
    """The search in its folder, new or as far as it came; raises InputError if the folder holds something else."""
    # Imported after the flags are accepted, because these import torch.
    from sentiment_hf.common.files import read_json, write_json
    from sentiment_hf.data.splits import load_splits
    from sentiment_hf.runs.identity import flags_of_method
    from sentiment_hf.searching.search import Search, open_study

    splits = load_splits(spec.data)
    name = spec.model.name if spec.model.is_new else f"{spec.model.short_name}-{spec.how}"
    folder = args.output_dir or Path("out", "tune", splits.name, name.lower())
    asked = {"model": spec.model.name, "seed": spec.training["seed"], "data": splits.data_hash}
    asked |= {"flags": flags_of_method(spec, splits.task), "space": {name: vars(one) for name, one in space.items()}}
    file = folder / "search.json"
    if folder.exists() and any(folder.iterdir()) and not file.is_file():
        raise InputError(f"--output_dir {folder} is not empty and holds no search; choose another folder")
    if file.is_file():
        require_same_search(read_json(file, "choose another --output_dir"), asked, folder)
    study = open_study(folder, args.tune_seed, splits.task.ranking)
    write_json(file, asked)
    return Search(folder, words, spec, space, splits.task.ranking, study)


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
    from sentiment_hf.searching.search import BEST

    best, place = (shlex.quote(str(path)) for path in (search.folder / BEST, folder))
    return ["Next:", f"  sentiment-hf predict {place} 'A text.'", f"  sentiment-hf run --config {best} --refit"]
