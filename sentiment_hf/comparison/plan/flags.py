"""The flags of compare: folders of finished runs, or models and seeds with the flags of their runs."""

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sentiment_hf.common.characters import require_utf8_name
from sentiment_hf.common.errors import FlagParser, InputError
from sentiment_hf.comparison.plan.grid import expand, name_with_settings, settings_not_in_name
from sentiment_hf.settings.arguments import TUNINGS
from sentiment_hf.settings.flags import whole_number
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.ranges import RUNS, check_range
from sentiment_hf.settings.recipes import Settings, Value, read_yaml

USAGE = """sentiment-hf compare FOLDER ... [FLAGS]
       sentiment-hf compare --models MODEL ... [FLAGS] [FLAGS OF sentiment-hf run]
       sentiment-hf compare --config FILE [FLAGS] [FLAGS OF sentiment-hf run]"""

SEEDS = 3

# Flags that compare sets for each run, so that a user must not.
DECIDED = {
    "--model",
    "--model_name_or_path",
    "--tuning",
    "--seed",
    "--output_dir",
    "--side_by_side",
    "--push_to_hub",
    "--hub_model_id",
    "--dry_run",
}


@dataclass(frozen=True)
class Candidate:
    """A model to be trained: its flags for `sentiment-hf run`, its number of seeds, and its settings in the grid."""

    flags: list[str]
    seeds: int
    settings: Settings


@dataclass(frozen=True)
class CompareArguments:
    """`folders` of finished runs, or `models` by name.

    A run gets the flags `common`, then those of its model, then `last`; of two values of a flag the later one counts.
    `grid` has the values of each setting, or is None; its first key is the axis of the picture. `jobs` is the most
    runs at a time.
    """

    folders: list[Path]
    models: dict[str, Candidate]
    grid: dict[str, list[Value]] | None
    learning_curve: list[float]
    ensembles: dict[str, list[str]]
    jobs: int
    output_dir: Path | None
    name: str | None
    rows_file: str | None
    texts: bool
    show_all_test: bool
    explain: bool
    robustness: bool
    common: list[str]
    last: list[str]

    def words(self, flags: Sequence[str]) -> list[str]:
        """All flags of a run, made of the flags of its model, of which --model is the first."""
        return [*flags[:2], *self.common, *flags[2:], *self.last]


def parse_compare(argv: Sequence[str]) -> CompareArguments:
    """The arguments of compare; folders stand before the first flag, and flags override the recipe.

    The flags of the runs are not checked here but by `parse_run`.

    Raises:
        InputError: flags contradict each other, or the recipe cannot be read.
    """
    parser = make_parser()
    start = next((place for place, word in enumerate(argv) if word.startswith("-")), len(argv))
    typed = parser.parse_known_args(argv[start:])[0]
    path = typed.config
    own, common = read_recipe(Path(path), parser) if path else ([], [])
    given, rest = parser.parse_known_args([*own, *argv[start:]])
    refuse_contradictions(given, argv[:start], [*common, *rest])
    require_utf8_name(given.output_dir or "", "--output_dir")
    # On one command line, a flag in the quotes of a model overrides a flag for all models.
    common, last = ([*common, *rest], []) if typed.models else (common, rest)
    models = read_candidates(given.models, given.grid or {}, given.seeds or SEEDS) if given.models else {}
    return CompareArguments(
        folders=[Path(word) for word in argv[:start]],
        models=models,
        grid=given.grid,
        learning_curve=sorted(set(given.learning_curve)),
        ensembles=read_ensembles(given.ensembles, models),
        jobs=given.jobs or 1,
        output_dir=Path(given.output_dir) if given.output_dir else None,
        name=Path(path).stem if path else None,
        rows_file=given.rows_file,
        texts=not given.no_texts,
        show_all_test=given.show_all_test,
        explain=given.explain,
        robustness=given.robustness,
        common=common,
        last=last,
    )


def refuse_contradictions(given: argparse.Namespace, folders: Sequence[str], common: list[str]) -> None:
    """Raise InputError if flags contradict each other, or if compare itself sets one of them."""
    if bool(folders) == bool(given.models):
        raise InputError("name folders of finished runs, or models by --models or --config: one of the two")
    if folders and (given.seeds or given.learning_curve or given.ensembles or given.jobs is not None):
        flags = "--seeds, --learning_curve, --ensembles and --jobs"
        raise InputError(f"{flags} are for runs to be made; the folders are finished")
    if given.jobs is not None:
        check_range("jobs", given.jobs, RUNS)
    if given.show_all_test and not given.grid:
        raise InputError("--show_all_test is for the settings of a grid; without one, test is shown for all models")
    if given.grid and not given.models:
        raise InputError("grid: its settings are those of a model; name it in the recipe as `models`")
    if given.models and not common:
        raise InputError("on which data? Name it as for `sentiment-hf run`: --dataset imdb, or --train_file ...")
    if any(not 0 < share <= 1 for share in given.learning_curve):
        raise InputError(f"--learning_curve {given.learning_curve}: shares of the training rows lie in (0, 1]")
    if taken := DECIDED & flags_of(common):
        raise InputError(f"{min(taken)} is set by compare itself; name models by --models, with FOLDER:lora for LoRA")
    if "--overwrite" in flags_of(common):
        raise InputError("--overwrite would undo all runs each time; give it to one model: 'custom-lstm --overwrite'")


def flags_of(words: list[str]) -> set[str]:
    """The flags among the words of a command line, without values, with "_" for "-": {"--max_steps"}."""
    return {"--" + word[2:].split("=")[0].replace("-", "_") for word in words if word.startswith("--")}


def make_parser() -> FlagParser:
    """The parser of the flags of compare; it leaves all other flags to the runs."""
    parser = FlagParser(prog="sentiment-hf compare", usage=USAGE, description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", help="recipe: these flags and those of the runs, without their dashes")
    parser.add_argument(
        "--models",
        nargs="+",
        help="models, each as NAME, FOLDER or FOLDER:lora; in quotes with flags of its own: 'custom-lstm --seeds 1'",
    )
    parser.add_argument("--seeds", type=int, help=f"train each with the seeds 0, 1, ... (default: {SEEDS})")
    parser.add_argument(
        "--learning_curve",
        type=float,
        nargs="+",
        default=[],
        help="train on these shares of the training rows too: 0.01 0.1",
    )
    parser.add_argument(
        "--ensembles", nargs="+", default=[], help="of models of each seed: best=custom-gru,custom-textcnn"
    )
    parser.add_argument(
        "--jobs",
        type=whole_number,
        help="make so many runs at a time, each with its share of the cores; they would share a GPU. They slow each "
        "other down, so their training times are not compared (default: 1)",
    )
    parser.add_argument(
        "--output_dir",
        help="for the runs, and for the page in comparison/ there (default: out/compare/<recipe or data set>, for "
        "finished folders the current one)",
    )
    parser.add_argument("--rows_file", help="table with a line per test row, whose columns group the rows")
    parser.add_argument(
        "--no_texts", action="store_true", help="as in run: show no text; test rows are named by number"
    )
    parser.add_argument(
        "--show_all_test", action="store_true", help="of a grid, show the test scores of all settings, not of the best"
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="measure on 100 test rows whether the words by which a model is explained are those that it goes by",
    )
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="score each model on 500 test rows with typos, without punctuation, in upper case and the like",
    )
    # A grid has many keys with many values, which only a recipe can hold.
    parser.set_defaults(grid=None)
    return parser


def read_recipe(path: Path, parser: argparse.ArgumentParser) -> tuple[list[str], list[str]]:
    """(flags of compare, flags of the runs) of a recipe, as words of a command line.

    Models with names and a grid, which are no flags, become defaults of the parser. Raises InputError.
    """
    if not path.is_file():
        raise InputError(f"--config {path}: no such file")
    recipe = read_yaml(path)
    if not isinstance(recipe, dict):
        raise InputError(f"--config {path}: expected lines of the form `flag: value`")
    own = {action.dest for action in parser._actions}
    words: dict[bool, list[str]] = {True: [], False: []}
    for name, value in recipe.items():
        if name == "grid" or (name == "models" and isinstance(value, dict)):
            parser.set_defaults(**{name: value})
        elif value is None or isinstance(value, dict):
            raise InputError(f"--config {path}: {name}: expected a value or a list of values, found {value!r}")
        else:
            words[name in own] += as_flag(name, value)
    # They take no value on a command line.
    off = {f"--{name}" for name in ("no_texts", "show_all_test", "explain", "robustness") if not recipe.get(name)}
    return [word for word in words[True] if word not in ("true", "false", *off)], words[False]


def as_flag(name: str, value) -> list[str]:
    """A line of a recipe as words of a command line: `name: [a, b]` -> ["--name", "a", "b"]"""
    values = value if isinstance(value, list) else [value]
    return [f"--{name}", *(str(item).lower() if isinstance(item, bool) else str(item) for item in values)]


def read_candidates(models: str | list[str] | dict[str, str], grid: dict, seeds: int) -> dict[str, Candidate]:
    """The models by name, one for each combination of the grid.

    The name is that of the recipe, else that of the model and its tuning; the settings in the grid are added.

    Raises:
        InputError: two models have the same name, a model has a flag that compare sets, or the grid does not fit.
    """
    models = [models] if isinstance(models, str) else models
    named = list(models.items() if isinstance(models, dict) else ((None, str(model)) for model in models))
    if grid and len(named) > 1:
        raise InputError(f"grid: expected one model in `models`, whose {{name}} are filled in, found {len(named)}")
    found: dict[str, Candidate] = {}
    for name, template in named:
        for words, settings in expand(str(template), grid):
            default, candidate = read_candidate(words, seeds)
            full = name_with_settings(
                name or default, settings if name else settings_not_in_name(str(template), settings)
            )
            add_candidate(found, full, replace(candidate, settings=settings))
    return found


def add_candidate(found: dict[str, Candidate], name: str, candidate: Candidate) -> None:
    """Add a candidate; raises InputError if the name is taken or cannot be the name of a folder."""
    if name in found and candidate.settings:
        both = " and ".join(str(one.settings) for one in (found[name], candidate))
        raise InputError(f"grid: two combinations are called {name}: {both}; give them values of different names")
    if name in found:
        words = " ".join(candidate.flags[1:])
        raise InputError(f"--models: two are called {name}; give them names in a recipe, `models: {{name: {words}}}`")
    require_name(name, "--models")
    found[name] = candidate


def require_name(name: str, flag: str) -> None:
    """Raise InputError unless the name can be that of a folder."""
    if not re.fullmatch(r"[\w+-][\w.+-]*", name):
        raise InputError(f"{flag} {name!r}: a name becomes that of a folder: letters, digits and . _ + - only")


def read_candidate(text: str, seeds: int) -> tuple[str, Candidate]:
    """(name, candidate) of a value of --models: custom-lstm, or "out/all-minilm:lora --seeds 1". Raises InputError."""
    try:
        model, *flags = shlex.split(text)
    except ValueError as error:
        hint = "NAME or FOLDER, then flags; quote what holds a space or a quotation mark twice: \"'my run' --seeds 1\""
        raise InputError(f"--models {text!r}: expected {hint}") from error
    if flags and not flags[0].startswith("-"):
        raise InputError(f"--models {text!r}: a folder with spaces wants quotes inside the quotes: \"'{text}'\"")
    if taken := DECIDED & flags_of(flags):
        raise InputError(f"--models {text!r}: {min(taken)} is set by compare; write FOLDER:lora for the tuning")
    early = FlagParser(prog="--models", allow_abbrev=False)
    early.add_argument("--seeds", type=int, default=seeds)
    own, flags = early.parse_known_args(flags)
    if own.seeds < 1:
        raise InputError(f"--seeds {own.seeds}: expected at least 1")
    path, _, tuning = model.rpartition(":")
    if tuning not in TUNINGS or not path:
        path, tuning = model, "full"
    words = ["--model", path, *flags]
    ref = ModelRef.parse(path)
    if ref.is_new:
        return path, Candidate(words, own.seeds, {})
    return f"{ref.short_name}-{tuning}".lower(), Candidate([*words, "--tuning", tuning], own.seeds, {})


def read_ensembles(words: list[str], models: dict[str, Candidate]) -> dict[str, list[str]]:
    """Names of the members by ensemble: best=custom-gru,custom-textcnn -> {best: [custom-gru, custom-textcnn]}.

    Raises InputError unless every member is one of `models`.
    """
    found: dict[str, list[str]] = {}
    for word in words:
        name, _, members = word.partition("=")
        names = dict.fromkeys(members.split(","))
        if not names.keys() <= models.keys() or len(names) < 2 or name in models or name in found:
            raise InputError(
                f"--ensembles {word}: expected NAME=MODEL,MODEL, a new name and at least two of {', '.join(models)}"
            )
        require_name(name, "--ensembles")
        found[name] = list(names)
    return found
