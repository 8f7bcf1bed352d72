"""The configurations of a data set that its README.md names, as on the Hub: the files of each part."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from datasets.data_files import sanitize_patterns
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from fsspec.utils import glob_translate
from huggingface_hub import DatasetCard, DatasetCardData

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.parts import Part, parts_of, table_names


def read_card(path: Path) -> DatasetCardData:
    """The metadata of a README.md, empty if it has none; raises InputError if they cannot be read."""
    try:
        return DatasetCard.load(path).data if path.read_bytes().startswith(b"---") else DatasetCardData()
    # YAML of users breaks its readers in many ways.
    except Exception as error:
        raise InputError(f"{path}: its metadata cannot be read ({' '.join(str(error).split())[:200]})") from error


def choose_config(card: DatasetCardData, name: str | None, source: str) -> tuple[str, Mapping]:
    """(name, settings) of the configuration that --dataset_config_name names, or of the only or default one.

    Without configurations in the card it is "default", without settings. Raises InputError if there is no such one.
    """
    try:
        configs = MetadataConfigs.from_dataset_card_data(card)
        default = configs.get_default_config_name() if configs else "default"
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"--dataset {source}: its README.md names files in a way that is not known ({error})"
        ) from error
    known = [str(config) for config in configs] or ["default"]
    if name is None and default is None:
        raise InputError(
            f"--dataset {source} has several configurations: {', '.join(known)}. Choose by --dataset_config_name."
        )
    if name is not None and name not in known:
        raise InputError(f"--dataset_config_name {name}: {source} has no such configuration, only: {', '.join(known)}")
    return name or default, configs.get(name or default, {})


def config_parts(settings: Mapping, names: Sequence[str], source: str) -> list[Part]:
    """The parts of a configuration among the files with these names; raises InputError if one has no file."""
    if "data_files" not in settings:
        folder = posixpath.normpath(settings.get("data_dir") or ".")
        inside = [name for name in names if folder == "." or name.startswith(f"{folder}/")]
        return parts_of(table_names(inside))
    wanted = sanitize_patterns(settings["data_files"])
    base = settings.get("data_dir") or ""
    return [
        Part(
            split, tuple(dict.fromkeys(file for pattern in patterns for file in _found(base, pattern, names, source)))
        )
        for split, patterns in wanted.items()
    ]


def _found(base: str, pattern: str, names: Sequence[str], source: str) -> list[str]:
    """The tables among `names` that fit a pattern of README.md; raises InputError if there is none."""
    path = posixpath.normpath(posixpath.join(base, pattern))
    if path.startswith(("..", "/")) or "://" in pattern:
        raise InputError(f"--dataset {source}: its README.md names {pattern}, which lies outside of the folder")
    fits = re.compile(glob_translate(path))
    if found := [name for name in table_names(names) if name == path or fits.match(name)]:
        return found
    raise InputError(f"--dataset {source}: its README.md names {pattern}, and there is no such data file")


def card_classes(card: DatasetCardData, config: str) -> dict[str, list[str]]:
    """{column: class names} that the card has for the columns of class ids of a configuration."""
    infos = DatasetInfosDict.from_dataset_card_data(card)
    features = infos[config].features if config in infos else None
    return {name: kind.names for name, kind in (features or {}).items() if hasattr(kind, "names")}
