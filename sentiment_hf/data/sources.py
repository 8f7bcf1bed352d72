"""Find the tables of each split: in files, a folder of a known layout, the Hub, a database, or the built-in sample."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from datasets import Dataset, DatasetDict, load_from_disk
from huggingface_hub import DatasetCardData

from sentiment_hf.common.characters import without_surrogates
from sentiment_hf.common.command import hidden
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.links import require_inside
from sentiment_hf.data.card_configs import card_classes, choose_config, config_parts, read_card
from sentiment_hf.data.class_folders import has_texts
from sentiment_hf.data.files import SUFFIXES, read_file
from sentiment_hf.data.folders import files_in, first_of, say_left_out
from sentiment_hf.data.hub_files import download, hub_files
from sentiment_hf.data.limits import require_size
from sentiment_hf.data.parquet_files import arrow_table
from sentiment_hf.data.parts import SPLIT_FLAGS, SPLIT_NAMES, Part, choose_parts, split_of, table_names, whole_part
from sentiment_hf.data.sql import is_database, read_query
from sentiment_hf.data.streaming import Stream
from sentiment_hf.data.table import Table
from sentiment_hf.data.table_files import Files, files_at
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.csv_settings import CsvSettings

IMDB = "stanfordnlp/imdb"
SAMPLE = Path(__file__).parent / "sample"
Tables = dict[str, list[Table]]


@dataclass(frozen=True)
class Source:
    """The data that the flags name.

    name: a short name, for folders and pages.
    hub_id, commit: those of a data set of the Hub; None for another.
    tables: the tables of each split, in their order; only train is always there.
    drawn: how the rows of train were drawn, with --streaming.
    findings: {split: (rows, kinds) what --redact replaced in the columns that a model reads}; {} without it.
    unlabelled: the tables of validation or test, if no row of it has a label.
    """

    name: str
    tables: Tables
    hub_id: str | None = None
    commit: str | None = None
    drawn: str | None = None
    unlabelled: Tables = field(default_factory=dict)
    findings: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """Which files of a folder or of a data set of the Hub are read, and how.

    parts: the part of each split.
    classed: whether they are texts in folders of their classes.
    classes: {column: class names} by the card.
    csv: for csv files.
    """

    parts: dict[str, Part]
    classed: bool
    classes: dict[str, list[str]]
    csv: CsvSettings


def find_tables(args: DataArguments) -> Source:
    """The tables of the data set that the flags name; raises InputError if it does not exist or cannot be read."""
    _refuse_unused(args)
    if args.streaming:
        _refuse_unstreamable(args)
    if args.train_file is not None:
        return Source(without_surrogates(Path(args.train_file).resolve().stem), _from_files(args))
    name = args.dataset_name
    if args.query is not None:
        name, table = read_query(name, args.query)
        return Source(name, {"train": [table]})
    if name == "sample":
        files = {split: SAMPLE / f"{split}.csv" for split in SPLIT_NAMES}
        return Source("sample", {split: [read_file(file, "--dataset sample:")] for split, file in files.items()})
    path = Path(name)
    if name == "imdb" or not path.exists():
        _refuse_missing_path(name)
        return _from_hub(IMDB if name == "imdb" else name, args)
    if path.is_file():
        raise InputError(f"--dataset {name} is a file; a data set in files is named by --train_file {name}")
    return Source(without_surrogates(path.resolve().name), _from_folder(path, args))


def _refuse_unused(args: DataArguments) -> None:
    """Raise InputError for flags that the source of the data does not have."""
    if args.train_file is None:
        for flag in ("validation_file", "test_file"):
            if getattr(args, flag) is not None:
                raise InputError(f"--{flag} goes with --train_file, which is not given.")
    elif args.dataset_name != "imdb":
        raise InputError(
            f"--dataset {args.dataset_name} and --train_file {args.train_file} name two data sets; keep "
            "one of the flags."
        )
    _refuse_query(args)
    flags = (*SPLIT_FLAGS.values(), "dataset_config_name", "dataset_revision")
    named = [flag for flag in flags if getattr(args, flag) is not None]
    if named and args.query is not None:
        raise InputError(f"--{named[0]} names a part of a data set, and --query says what is read; leave it out.")
    if named and (args.train_file is not None or args.dataset_name == "sample"):
        raise InputError(f"--{named[0]} is for a folder or a data set of the Hub, named by --dataset; leave it out.")


def _refuse_query(args: DataArguments) -> None:
    """Raise InputError unless --query and the address of a database come together."""
    address = args.dataset_name if is_database(args.dataset_name) else None
    if args.query is not None and (address is None or args.train_file is not None):
        raise InputError(
            "--query is for a database, whose address is --dataset, as in --dataset sqlite:///reviews.db; leave "
            "--train_file out."
        )
    if args.query is None and address is not None:
        raise InputError(
            f'--dataset {hidden(address)} is the address of a database: add --query "SELECT text, label FROM ...". A '
            "data set of the Hub is named OWNER/NAME."
        )


def _refuse_unstreamable(args: DataArguments) -> None:
    """Raise InputError if the data are not on the Hub, or the number of rows is open."""
    name = args.train_file or args.dataset_name
    if args.query is not None:
        raise InputError("--streaming is for a data set of the Hub, and --query reads a database; leave it out.")
    if args.train_file or name == "sample" or (name != "imdb" and Path(name).exists()):
        raise InputError(f"--streaming is for a data set of the Hub, and {name} is on the disk already; leave it out.")
    if args.max_train_samples is None:
        raise InputError("--streaming keeps some rows of train and wants to know how many: add --max_train_samples N.")


def _refuse_missing_path(name: str) -> None:
    """Raise InputError for a name that is a path and not a Hub id; the Hub is not asked for it."""
    if name.startswith((".", "/", "~")) or "\\" in name or Path(name).suffix.lower() in (*SUFFIXES, ".txt"):
        raise InputError(f"--dataset {name}: there is no such folder. Files are named by --train_file.")


def _from_files(args: DataArguments) -> Tables:
    named = {"train": args.train_file, "validation": args.validation_file, "test": args.test_file}
    files = {split: files_at(Path(file), f"--{split}_file") for split, file in named.items() if file is not None}
    require_size([path for part in files.values() for path in part.paths], args.max_data_bytes, args.table_cache)
    return {split: part.read(f"--{split}_file", args.csv, args.table_cache) for split, part in files.items()}


def _from_hub(hub_id: str, args: DataArguments) -> Source:
    revision = args.dataset_revision or "main"
    commit, names = hub_files(hub_id, revision)
    fetch = partial(download, hub_id, revision, commit)
    layout = _find_layout(names, fetch, hub_id, args)
    name = hub_id.rpartition("/")[2]
    if not args.streaming:
        return Source(name, _read(layout, fetch, hub_id, args), hub_id, commit)
    train = layout.parts.pop("train")
    if layout.classed:
        raise InputError(
            f"--streaming reads tables ({', '.join(SUFFIXES)}), and the train part of {hub_id} is {len(train.files)} "
            "files in folders of their classes; leave it out."
        )
    # Each data set has a file of this name: with it the cache has a list of all files, even if no part is fetched.
    others = _read(layout, lambda names: fetch([".gitattributes", *names]), hub_id, args)
    counts = (args.max_train_samples, args.split_seed)
    stream = Stream(hub_id, commit, train.files, *counts, layout.csv, args.max_data_bytes)
    tables, drawn = stream.draw(args.table_cache)
    return Source(name, {"train": _with_classes(tables, layout)} | others, hub_id, commit, drawn)


def _from_folder(folder: Path, args: DataArguments) -> Tables:
    """The tables in a `save_to_disk` folder, in train/CLASS/*.txt (as in aclImdb), or in files named as on the Hub."""
    if args.dataset_revision is not None:
        raise InputError(f"--dataset_revision {args.dataset_revision}: {folder} is a folder here, and not on the Hub.")
    names = files_in(folder)
    if not {"dataset_dict.json", "state.json"}.intersection(names):
        layout = _find_layout(names, lambda _: folder, str(folder), args)
        return _read(layout, lambda _: folder, str(folder), args)
    require_size([folder / name for name in table_names(names)], args.max_data_bytes, args.table_cache)
    try:
        require_inside(_saved_files(folder), folder)
        saved = load_from_disk(str(folder))
    # Missing keys and wrong types in its JSON files raise errors of many unrelated classes.
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise InputError(f"--dataset {folder}: a `save_to_disk` folder that cannot be read ({error}).") from error
    return _from_dataset(saved, args, str(folder))


def _saved_files(folder: Path) -> list[Path]:
    """The data files that a `save_to_disk` folder lists; raises InputError if one is not counted: no .arrow."""
    states = [path for path in (folder / "state.json", *folder.glob("*/state.json")) if path.is_file()]
    listed = [(path.parent, json.loads(path.read_text(encoding="utf-8"))["_data_files"]) for path in states]
    files = [home / file["filename"] for home, names in listed for file in names]
    if other := [file for file in files if file.suffix != ".arrow"]:
        raise InputError(f"{other[0].name} is no .arrow file")
    return files


def _from_dataset(dataset: Dataset | DatasetDict, args: DataArguments, source: str) -> Tables:
    saved = dataset if isinstance(dataset, DatasetDict) else {"train": dataset}
    chosen = choose_parts([Part(str(name)) for name in saved], args, source)
    tables = {split: saved[part.name] for split, part in chosen.items()}
    return {
        split: [arrow_table(table.data.table, table.features, f"{source}, {split}")] for split, table in tables.items()
    }


def _find_layout(
    names: Sequence[str], fetch: Callable[[Sequence[str]], Path], source: str, args: DataArguments
) -> Layout:
    """The layout of a folder, or of a data set of the Hub, with these files; `fetch` returns a folder that has some.

    Raises:
        InputError: there is no part for train, or the card cannot be read.
    """
    if parts := _class_parts(names, args):
        _say_not_read(parts, names, source)
        return Layout(choose_parts(parts, args, source), True, {}, args.csv)
    card = read_card(fetch(["README.md"]) / "README.md") if "README.md" in names else DatasetCardData()
    config, settings = choose_config(card, args.dataset_config_name, source)
    parts = config_parts(settings, names, source)
    _refuse_no_parts(parts, names, source)
    _say_not_read(parts, names, source)
    chosen = choose_parts(parts, args, source)
    if "data_files" not in settings:
        chosen = {split: whole_part(part, source) for split, part in chosen.items()}
    return Layout(chosen, False, card_classes(card, config), _csv_settings(settings, args))


def _read(layout: Layout, fetch: Callable[[Sequence[str]], Path], source: str, args: DataArguments) -> Tables:
    """The tables of the parts, whose files are in the folder that `fetch` returns; raises InputError."""
    home = fetch([file for part in layout.parts.values() for file in part.files])
    files = {split: _files(home, part, layout.classed) for split, part in layout.parts.items()}
    require_size([path for part in files.values() for path in part.paths], args.max_data_bytes, args.table_cache)
    tables = {split: part.read(f"--dataset {source}:", layout.csv, args.table_cache) for split, part in files.items()}
    return {split: _with_classes(pieces, layout) for split, pieces in tables.items()}


def _with_classes(tables: Sequence[Table], layout: Layout) -> list[Table]:
    """The tables with the class names of the card, where they have none themselves."""
    return [replace(table, classes=layout.classes | table.classes) for table in tables]


def _say_not_read(parts: Sequence[Part], names: Sequence[str], source: str) -> None:
    """Warn of files whose names are those of parts, and which are none: train.csv.gz, train.csv~."""
    known = {file for part in parts for file in part.files}
    others = [name for name in names if name not in known and split_of(PurePosixPath(name).name)]
    say_left_out(source, "files named like a part but not read", others)


def _csv_settings(card: Mapping, args: DataArguments) -> CsvSettings:
    """Those of the flags; what they leave open is what the configuration in the card of the data set says."""
    given = args.csv
    delimiter = card.get("sep") or card.get("delimiter")
    quote = "" if card.get("quoting") == csv.QUOTE_NONE else card.get("quotechar")
    return CsvSettings(given.delimiter or delimiter, quote if given.quote is None else given.quote)


def _refuse_no_parts(parts: Sequence[Part], names: Sequence[str], source: str) -> None:
    if not parts:
        raise InputError(
            f"--dataset {source} has no data files: expected {', '.join(SUFFIXES)}, or folders train/CLASS/*.txt. A "
            f"single part in folders CLASS/*.txt is named by --train_file. Found {first_of(names) or 'nothing'}."
        )


def _class_parts(names: Sequence[str], args: DataArguments) -> list[Part]:
    """The folders PART/CLASS/*.txt, if one of them is train; else none."""
    parts = []
    for name in dict.fromkeys(name.partition("/")[0] for name in names if "/" in name):
        files = tuple(file for file in names if file.startswith(f"{name}/"))
        if has_texts(file.removeprefix(f"{name}/") for file in files):
            parts.append(Part(name, files))
    trains = any(part.split == "train" or part.name == args.train_split_name for part in parts)
    return parts if trains else []


def _files(home: Path, part: Part, classed: bool) -> Files:
    if not classed:
        return Files(home, part.files)
    return Files(home / part.name, [name.removeprefix(f"{part.name}/") for name in part.files], classed=True)
