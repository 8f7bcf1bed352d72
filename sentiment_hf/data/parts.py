"""Which files are train, validation and test: by their names, by the names of their folders, or by flags."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.files import SUFFIXES
from sentiment_hf.data.folders import first_of, logger, say_left_out
from sentiment_hf.settings.arguments import DataArguments

TABLES = (*SUFFIXES, ".arrow")

# Files of the Hub that describe a data set.
ABOUT = {"config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}

# The usual names of a part, which count as words in the name of a file too.
SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
SPLIT_FLAGS = {"train": "train_split_name", "validation": "validation_split_name", "test": "test_split_name"}
HOW_TO_NAME = "--train_split, --validation_split_name and --test_split take a part by its name"

# train-00000-of-00003, with a hash in older data sets.
SHARD = re.compile(r"(\w+(?:\.\w+)*)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)*")
NUMBER = re.compile(r"(.*?)(?:[-_. ]|(?<=[A-Za-z]{3}))\d+")
COPY = re.compile(
    r"(?:copy|kopie|copie) (?:of|von|de) (.+)|(.+?)(?: \d+|[ _.-]*\(\d+\)|"
    r"[ _.-]+(?:copy|kopie|copie|copia|old|bak|backup|orig|original)(?:[ _.-]*\(?\d+\)?)?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Part:
    """A part of a data set.

    name: as its source names it, with the folder that it lies in: train, en/train, train_sft.
    files: paths from the folder of the data set; none for a part that the library reads.
    exact: whether only a usual name is that of a split; else a word in it is enough, as in imdb_train.csv.
    """

    name: str
    files: tuple[str, ...] = ()
    exact: bool = True

    @property
    def split(self) -> str | None:
        """train, validation or test, if the name says so."""
        label = PurePosixPath(self.name).name
        return split_of(label) if self.is_usual or not self.exact else None

    @property
    def is_usual(self) -> bool:
        """Whether the name, without folders, is a usual name of a split and nothing else."""
        return any(PurePosixPath(self.name).name.lower() in names for names in SPLIT_NAMES.values())


def split_of(label: str) -> str | None:
    """The split whose usual name is a word of `label`; None if there is no such word, or words of two splits."""
    words = set(re.split(r"[-._ 0-9()]+", label.lower()))
    found = [split for split, names in SPLIT_NAMES.items() if words.intersection(names)]
    return found[0] if len(found) == 1 else None


def table_names(names: Iterable[str]) -> list[str]:
    """The names of tables among those of files."""
    paths = [PurePosixPath(name) for name in names]
    return [str(path) for path in paths if path.suffix.lower() in TABLES and path.name.lower() not in ABOUT]


def parts_of(names: Sequence[str]) -> list[Part]:
    """The parts that these tables make by their names; numbered files are one part, files in folder train/ too."""
    stems = {str(PurePosixPath(name).with_suffix("")) for name in names}
    groups: dict[tuple[str, bool], list[str]] = {}
    for name in names:
        groups.setdefault(_part_of(PurePosixPath(name), stems), []).append(name)
    return [Part(name, tuple(files), exact) for (name, exact), files in groups.items()]


def _part_of(path: PurePosixPath, stems: set[str]) -> tuple[str, bool]:
    """(name of the part that a table belongs to, whether only a usual name is that of a split)."""
    if shard := SHARD.fullmatch(path.stem):
        return str(path.parent / shard[1]), split_of(shard[1]) is not None
    label = path.stem
    numbered = NUMBER.fullmatch(label)
    if numbered and numbered[1] and str(path.parent / numbered[1]) not in stems:
        label = numbered[1]
    if split_of(label) is None:
        for folder in path.parents:
            if split_of(folder.name):
                return str(folder), False
    return str(path.parent / label), False


def choose_parts(parts: Sequence[Part], args: DataArguments, source: str) -> dict[str, Part]:
    """The parts that are train, validation and test; the names of the others are said in a warning.

    If no name says a split, and no flag does, all files are train.

    Raises:
        InputError: there is no train, or a flag names no part.
    """
    asked = {split: getattr(args, flag) for split, flag in SPLIT_FLAGS.items()}
    if not any(asked.values()) and not any(part.exact or part.split for part in parts):
        files = tuple(name for part in parts for name in part.files)
        if files:
            return {"train": Part("train", files, exact=False)}
    chosen = {
        split: _usual_part(parts, split) if name is None else _named_part(parts, name, split, source)
        for split, name in asked.items()
    }
    if chosen["train"] is None:
        raise InputError(
            f"--dataset {source} has no part named train, or several; it has {first_of([p.name for p in parts], 12)}. "
            f"{HOW_TO_NAME}."
        )
    chosen = {split: part for split, part in chosen.items() if part}
    used = {part.name for part in chosen.values()}
    say_left_out(source, f"parts ({HOW_TO_NAME})", [part.name for part in parts if part.name not in used])
    _say_elsewhere(chosen, source)
    return chosen


def _say_elsewhere(chosen: Mapping[str, Part], source: str) -> None:
    """Warn of a part that lies neither in the folder of train nor in one named after the part."""
    home = PurePosixPath(chosen["train"].name).parent
    for split, part in chosen.items():
        folder = PurePosixPath(part.name).parent
        if folder != home and split_of(folder.name) != split:
            logger.warning("%s: %s is %s, from another folder than train", source, split, part.name)


def _usual_part(parts: Sequence[Part], split: str) -> Part | None:
    """The part whose name is that of the split, in the uppermost folder; None if there is none, or more than one."""

    def rank(part: Part) -> tuple[bool, int, int]:
        label = PurePosixPath(part.name).name.lower()
        usual = SPLIT_NAMES[split].index(label) if part.is_usual else 0
        return not part.is_usual, part.name.count("/"), usual

    found = sorted((part for part in parts if part.split == split), key=rank)
    return None if not found or (len(found) > 1 and rank(found[0]) == rank(found[1])) else found[0]


def _named_part(parts: Sequence[Part], name: str, split: str, source: str) -> Part:
    """The part that a flag names, with or without the folders before its name."""
    found = [part for part in parts if part.name == name] or [
        part for part in parts if PurePosixPath(part.name).name == name
    ]
    if len(found) != 1:
        raise InputError(
            f"--{SPLIT_FLAGS[split]} {name}: {source} has {'several such parts' if found else 'no such part'}; it has "
            f"{first_of([part.name for part in found or parts], 12)}."
        )
    return found[0]


def whole_part(part: Part, source: str) -> Part:
    """The part without second copies of its files, which are said in a warning; several files are said too.

    Raises InputError if the files are of several kinds, or one of numbered files is missing.
    """
    files = part.files if part.exact else without_copies(part.files, source)
    if len(kinds := {PurePosixPath(name).suffix.lower() for name in files}) > 1:
        first = [next(name for name in files if name.lower().endswith(kind)) for kind in sorted(kinds)]
        raise InputError(
            f"{source}: {first_of(first)} would be one part, {part.name}, in several formats; keep one of them, or "
            "name the files by --train_file, --validation_file and --test_file."
        )
    shards = [shard for name in files if (shard := SHARD.fullmatch(PurePosixPath(name).stem))]
    if shards and len(shards) != int(shards[0][3]):
        raise InputError(
            f"{source}: {len(shards)} of the {int(shards[0][3])} files of the part {part.name} are there "
            f"({first_of(files)}); download them all, once."
        )
    if len(files) > 1 and not shards:
        logger.warning("%s: %s is read from %d files (%s)", source, part.name, len(files), first_of(files))
    return Part(part.name, tuple(files), part.exact)


def without_copies(names: Sequence[str], source: str) -> list[str]:
    """The names without those of second copies, as reviews (1).csv beside reviews.csv; these are said in a warning."""
    stems = {str(PurePosixPath(name).with_suffix("")).lower() for name in names}
    copies = [name for name in names if _original(PurePosixPath(name)) in stems]
    say_left_out(source, "second copies of a file", copies)
    return [name for name in names if name not in copies]


def _original(path: PurePosixPath) -> str | None:
    """The path, in lower case and without suffix, of the file that this one seems to be a copy of."""
    copy = COPY.fullmatch(path.stem)
    return str(path.parent / (copy[1] or copy[2])).lower() if copy else None
