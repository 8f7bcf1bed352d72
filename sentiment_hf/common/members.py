"""Where an exported graph has its tokenizers: one beside it or, of an ensemble, one for each member."""

from pathlib import Path

from sentiment_hf.common.files import read_json
from sentiment_hf.common.layout import CONFIG, MEMBERS


def tokenizer_folders(folder: Path) -> list[Path]:
    """The folder of the tokenizer of the graph in `folder`: `folder` or, of an ensemble, 0, 1, ... in it.

    Raises InputError if config.json cannot be read.
    """
    config = read_json(folder / CONFIG)
    return [folder / str(number) for number in range(len(config[MEMBERS]))] if MEMBERS in config else [folder]


def suffix_of(number: int) -> str:
    """What the names of the inputs of a member end with."""
    return f"_{number}"
