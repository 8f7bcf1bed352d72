"""What of a finished run goes to the Hub: an allow-list, every file of it there, and nothing else of the folder."""

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
    EVAL_RESULTS,
    INDEX,
    LABELS,
    SHARD,
    TOKENIZER,
    TOKENIZER_CONFIG,
    WEIGHTS,
)
from sentiment_hf.common.links import require_inside
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.model_ref import Kind, ModelRef


def pushed_files(ref: ModelRef) -> list[str]:
    """Names of the files of a finished run that go to the Hub; whatever else lies in the folder stays.

    Raises:
        InputError: the folder lacks a file that a loader needs, or has a link to elsewhere in the place of one.
    """
    folder = ref.folder
    is_adapter = ref.kind is Kind.ADAPTER
    needed = [ADAPTER_CONFIG, ADAPTER_WEIGHTS, LABELS] if is_adapter else [CONFIG, *weight_files(folder)]
    needed += [*code_files(folder), CARD]
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise InputError(f"{folder} lacks {', '.join(missing)}, without which it cannot be loaded; run it again")
    optional = [*TOKENIZER, f"{EVAL_RESULTS}/{Report.load(folder).dataset}.yaml"]
    files = [*needed, *(name for name in optional if (folder / name).is_file())]
    require_inside((folder / name for name in files), folder)
    return files


def weight_files(folder: Path) -> list[str]:
    """model.safetensors, or the shards that its index names."""
    index = read_json(folder / INDEX)
    return [INDEX, *sorted(set(index["weight_map"].values()))] if index else [WEIGHTS]


def read_json(path: Path) -> dict:
    """An empty one where there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def code_files(folder: Path) -> list[str]:
    """The modules that the configs of model and tokenizer name, and what they import of each other."""
    references = []
    for name in (CONFIG, TOKENIZER_CONFIG):
        for reference in read_json(folder / name).get("auto_map", {}).values():
            references += reference if isinstance(reference, list) else [reference]
    # "owner/name--module.Class" stays in its own repository, and a tokenizer without a slow variant has a null.
    modules = {f"{reference.split('.')[0]}.py" for reference in references if reference and "--" not in reference}
    present = [folder / module for module in modules if (folder / module).is_file()]
    imported = {Path(file).name for module in present for file in get_relative_import_files(str(module))}
    return sorted(modules | imported)


def card_of(folder: Path) -> str:
    """README.md, which the user may have edited.

    Raises:
        InputError: its head is no longer YAML.
    """
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
        ModelCard(text)
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder / CARD}: expected YAML between two lines of --- at its head: {reason}") from error
    return text


def is_ours(name: str) -> bool:
    """What some push of ours can have written, code and card aside."""
    fixed = {CONFIG, WEIGHTS, INDEX, ADAPTER_CONFIG, ADAPTER_WEIGHTS, LABELS, *TOKENIZER}
    return name in fixed or name.startswith(f"{EVAL_RESULTS}/") or re.fullmatch(SHARD, name) is not None
