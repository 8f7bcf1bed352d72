"""The files of a finished run that are pushed to the Hub: an allow-list, with a check that none is missing."""

import json
import re
from pathlib import Path

import yaml
from huggingface_hub import ModelCard
from transformers.dynamic_module_utils import get_relative_import_files

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    CARD,
    CONFIG,
    CONFORMAL,
    EVAL_RESULTS,
    INDEX,
    LABELS,
    ONNX_FILE,
    READING,
    SHARD,
    TOKENIZER,
    USUAL,
    WEIGHTS,
)
from sentiment_hf.common.links import require_inside
from sentiment_hf.common.members import tokenizer_folders
from sentiment_hf.common.remote_code import code_references
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.model_ref import Kind, ModelRef


def pushed_files(ref: ModelRef) -> list[str]:
    """Names of the files of a finished run that are pushed to the Hub.

    Raises:
        InputError: a file that is needed to load the model is missing, or a file is a link to outside the folder.
    """
    folder = ref.folder
    is_adapter = ref.kind is Kind.ADAPTER
    weights = [ONNX_FILE] if ref.kind is Kind.ONNX else weight_files(folder)
    needed = [ADAPTER_CONFIG, ADAPTER_WEIGHTS, LABELS] if is_adapter else [CONFIG, *weights]
    needed += [*code_files(folder), CARD]
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise InputError(f"{folder} lacks {', '.join(missing)}, without which it cannot be loaded; run it again")
    optional = [*tokenizer_files(ref), READING, CONFORMAL, USUAL, f"{EVAL_RESULTS}/{Report.load(folder).dataset}.yaml"]
    files = [*needed, *(name for name in optional if (folder / name).is_file())]
    require_inside((folder / name for name in files), folder)
    return files


def tokenizer_files(ref: ModelRef) -> list[str]:
    """The names that files of the tokenizer have, or those of the members of an exported ensemble."""
    folders = tokenizer_folders(ref.folder) if ref.kind is Kind.ONNX else [ref.folder]
    return [str(Path(folder.relative_to(ref.folder), name)) for folder in folders for name in TOKENIZER]


def weight_files(folder: Path) -> list[str]:
    """Names of the files with weights: model.safetensors, or the index and its shards."""
    index = read_json_or_empty(folder / INDEX)
    return [INDEX, *sorted(set(index["weight_map"].values()))] if index else [WEIGHTS]


def read_json_or_empty(path: Path) -> dict:
    """The object in the file; an empty one if there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def code_files(folder: Path) -> list[str]:
    """Names of the Python files that the configs of model and tokenizer refer to, and of those that they import."""
    modules = {f"{reference.split('.')[0]}.py" for reference in code_references(folder) if "--" not in reference}
    present = [folder / module for module in modules if (folder / module).is_file()]
    imported = {Path(file).name for module in present for file in get_relative_import_files(str(module))}
    return sorted(modules | imported)


def read_card(folder: Path) -> str:
    """The text of README.md, which the user may have edited.

    Raises:
        InputError: the head of the file is not YAML.
    """
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
        ModelCard(text)
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder / CARD}: expected YAML between two lines of --- at its head: {reason}") from error
    return text


def may_be_pushed(name: str) -> bool:
    """Whether `push` writes files of this name, for any kind of model; code and card are not counted."""
    fixed = {
        CONFIG,
        ONNX_FILE,
        WEIGHTS,
        INDEX,
        ADAPTER_CONFIG,
        ADAPTER_WEIGHTS,
        LABELS,
        READING,
        CONFORMAL,
        USUAL,
        *TOKENIZER,
    }
    of_member, _, file = name.partition("/")
    return (
        name in fixed
        or (of_member.isdecimal() and file in TOKENIZER)
        or name.startswith(f"{EVAL_RESULTS}/")
        or re.fullmatch(SHARD, name) is not None
    )
