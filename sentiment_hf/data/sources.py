"""Find the tables of each split: in files, in a folder of a known layout, on the Hub, or in the built-in sample."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from datasets import (
    Dataset,
    DatasetBuilder,
    DatasetDict,
    DownloadManager,
    get_dataset_config_names,
    load_dataset_builder,
    load_from_disk,
)
from datasets.exceptions import DatasetNotFoundError, DatasetsError
from huggingface_hub import is_offline_mode, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.hub_access import require_hub
from sentiment_hf.common.links import links_in, require_inside
from sentiment_hf.data.csv_files import read_csv_table
from sentiment_hf.data.files import SUFFIXES, read_class_folders, read_file
from sentiment_hf.data.json_files import read_json_table
from sentiment_hf.data.limits import require_size
from sentiment_hf.data.parquet_files import dataset_table
from sentiment_hf.data.table import Table
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.csv_settings import CsvSettings

IMDB = "stanfordnlp/imdb"
SAMPLE = Path(__file__).parent / "sample"
SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
# Kinds of files that the library reads itself, all parts of a data set at once.
LIBRARY_READS = ("parquet", "arrow", "cache")
Part = TypeVar("Part")
Tables = dict[str, list[Table]]


def find_tables(args: DataArguments) -> tuple[str, str | None, Tables]:
    """(short name of the data set, its Hub id or None, tables by split); only train is always there.

    Raises:
        InputError: the data set does not exist or cannot be read.
    """
    if args.train_file is not None:
        return Path(args.train_file).resolve().stem, None, _from_files(args)
    for flag in ("validation_file", "test_file"):
        if getattr(args, flag) is not None:
            raise InputError(f"--{flag} goes with --train_file, which is not given.")
    name = args.dataset_name
    if name == "sample":
        return (
            "sample",
            None,
            {split: [read_file(SAMPLE / f"{split}.csv", "--dataset sample:")] for split in SPLIT_NAMES},
        )
    path = Path(name)
    if name == "imdb" or not path.exists():
        _refuse_missing_path(name)
        hub_id = IMDB if name == "imdb" else name
        return hub_id.rpartition("/")[2], hub_id, _from_hub(hub_id, args)
    if path.is_file():
        raise InputError(f"--dataset {name} is a file; a data set in files is named by --train_file {name}")
    return path.resolve().name, None, _from_folder(path, args)


def _refuse_missing_path(name: str) -> None:
    """Raise InputError for a name that is a path and not a Hub id; the Hub is not asked for it."""
    if name.startswith((".", "/", "~")) or "\\" in name or Path(name).suffix.lower() in (*SUFFIXES, ".txt"):
        raise InputError(f"--dataset {name}: there is no such folder. Files are named by --train_file.")


def _from_files(args: DataArguments) -> Tables:
    if args.dataset_name != "imdb":
        raise InputError(
            f"--dataset {args.dataset_name} and --train_file {args.train_file} name two data sets; keep "
            "one of the flags."
        )
    files = {"train": args.train_file, "validation": args.validation_file, "test": args.test_file}
    paths = {split: Path(file) for split, file in files.items() if file is not None}
    require_size((part for path in paths.values() for part in parts_of(path)), args.max_data_bytes)
    return {split: [read_file(path, f"--{split}_file", args.csv)] for split, path in paths.items()}


def parts_of(path: Path) -> list[Path]:
    """The file itself, or the data files in a folder; raises InputError if a link leads out of the folder."""
    if path.is_file():
        return [path]
    require_inside(links_in(path), path)
    known = (*SUFFIXES, ".txt", ".arrow")
    return [part for part in sorted(path.rglob("*")) if part.suffix.lower() in known and part.is_file()]


def _from_hub(hub_id: str, args: DataArguments) -> Tables:
    require_hub(f"the data set {hub_id!r}")
    try:
        where = snapshot_download(hub_id, repo_type="dataset", local_files_only=True) if is_offline_mode() else hub_id
        return _from_layout(where, hub_id, args)
    except DatasetNotFoundError as error:
        raise InputError(
            f"--dataset {hub_id}: neither a folder here nor a data set on the Hub that may be read without permission "
            f"({error}). One's own or a gated one needs `hf auth login`."
        ) from error
    except (ConnectionError, LocalEntryNotFoundError) as error:
        raise InputError(
            f"--dataset {hub_id}: no copy of it is in the cache, and the Hub was not asked or did not answer "
            f"({error}). Unset HF_HUB_OFFLINE, or go on with `--dataset sample` or `--dataset FOLDER`."
        ) from error


def _from_folder(folder: Path, args: DataArguments) -> Tables:
    """The tables in a `save_to_disk` folder, in train/CLASS/*.txt (as in aclImdb), or in files named as on the Hub."""
    require_size(parts_of(folder), args.max_data_bytes)
    if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
        try:
            require_inside(_saved_files(folder), folder)
            return _from_dataset(load_from_disk(str(folder)), str(folder))
        # Missing keys and wrong types in its JSON files raise errors of many unrelated classes.
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise InputError(f"--dataset {folder}: a `save_to_disk` folder that cannot be read ({error}).") from error
    if any(folder.glob("train/*/*.txt")):
        parts = _usual_splits({path.name: path for path in folder.iterdir() if any(path.glob("*/*.txt"))}, str(folder))
        return {split: [read_class_folders(path)] for split, path in parts.items()}
    return _from_layout(str(folder.resolve()), str(folder), args, home=folder)


def _saved_files(folder: Path) -> list[Path]:
    """The data files that a `save_to_disk` folder lists; raises InputError if one is not counted: no .arrow."""
    states = [path for path in (folder / "state.json", *folder.glob("*/state.json")) if path.is_file()]
    listed = [(path.parent, json.loads(path.read_text(encoding="utf-8"))["_data_files"]) for path in states]
    files = [home / file["filename"] for home, names in listed for file in names]
    if other := [file for file in files if file.suffix != ".arrow"]:
        raise InputError(f"{other[0].name} is no .arrow file")
    return files


def _from_layout(where: str, source: str, args: DataArguments, home: Path | None = None) -> Tables:
    """The tables of a Hub id or a folder that is laid out like one on the Hub.

    The library reads parquet and keeps ClassLabel. csv and json are read by this package, since the library alters
    texts, as in "NA" -> null. Raises InputError.
    """
    try:
        builder = _dataset_builder(where, args.dataset_config_name, source)
        files = _fetch_files(builder, source, home)
        require_size((path for paths in files.values() for path in paths), args.max_data_bytes)
        if builder.name in LIBRARY_READS:
            builder.download_and_prepare()
            return _from_dataset(builder.as_dataset(), source)
    except (DatasetNotFoundError, ConnectionError, InputError):
        raise
    except (DatasetsError, ValueError, RuntimeError, OSError) as error:
        raise InputError(f"--dataset {source} cannot be loaded: {error}") from error
    if builder.name == "json":
        return {split: [read_json_table(path) for path in paths] for split, paths in files.items()}
    settings = _csv_settings(builder, args.csv)
    usual = "\t" if builder.config.sep == "\t" else ","
    return {split: [read_csv_table(path, usual, settings) for path in paths] for split, paths in files.items()}


def _csv_settings(builder: DatasetBuilder, given: CsvSettings) -> CsvSettings:
    """Those of the flags; what they leave open is what the card of the data set says."""
    config = builder.config
    sep = config.sep if config.sep not in (",", "\t") else None
    quote = "" if config.quoting == csv.QUOTE_NONE else None if config.quotechar == '"' else config.quotechar
    return CsvSettings(given.delimiter or sep, quote if given.quote is None else given.quote)


def _fetch_files(builder: DatasetBuilder, source: str, home: Path | None) -> dict[str, list[Path]]:
    """The files of each part; those of a Hub id are downloaded into its cache. `home` is the local folder of the data.

    Raises:
        InputError: the files are of an unknown kind, or one lies outside of `home`; nothing is downloaded then.
    """
    if builder.name not in (*LIBRARY_READS, "csv", "json"):
        raise InputError(
            f"--dataset {source} holds files of the kind {builder.name!r}; expected {', '.join(SUFFIXES)}, or "
            "folders train/CLASS/*.txt. A single part in folders CLASS/*.txt is named by --train_file."
        )
    named = {split: list(paths) for split, paths in (builder.config.data_files or {}).items()}
    if home is not None:
        require_inside((Path(path) for paths in named.values() for path in paths), home)
    wanted = named if builder.name in LIBRARY_READS else _usual_splits(named, source)
    return {split: [Path(path) for path in paths] for split, paths in DownloadManager().download(wanted).items()}


def _dataset_builder(where: str, config: str | None, source: str) -> DatasetBuilder:
    known = get_dataset_config_names(where)
    if config is None and len(known) > 1 and "default" not in known:
        raise InputError(
            f"--dataset {source} has several configurations: {', '.join(known)}. Choose by --dataset_config_name."
        )
    if config is not None and config not in known:
        raise InputError(
            f"--dataset_config_name {config}: {source} has no such configuration, only: {', '.join(known)}"
        )
    return load_dataset_builder(where, config)


def _from_dataset(dataset: Dataset | DatasetDict, source: str) -> Tables:
    parts = _usual_splits(dataset if isinstance(dataset, DatasetDict) else {"train": dataset}, source)
    return {split: [dataset_table(part, f"{source}, {split}")] for split, part in parts.items()}


def _usual_splits(parts: Mapping[str, Part], source: str) -> dict[str, Part]:
    """The parts named train, validation and test, whatever their usual name; others (`unsupervised`) are left out."""
    named = {str(name): part for name, part in parts.items()}
    found = {
        split: named[next(name for name in names if name in named)]
        for split, names in SPLIT_NAMES.items()
        if any(name in named for name in names)
    }
    if "train" not in found:
        raise InputError(f"--dataset {source} has no part named train, only: {', '.join(named)}")
    return found
