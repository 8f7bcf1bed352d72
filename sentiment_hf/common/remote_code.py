"""The code that a checkpoint names in its files."""

import json
from pathlib import Path

from sentiment_hf.common.layout import CONFIG, TOKENIZER_CONFIG


def code_references(folder: Path) -> list[str]:
    """What the configs of model and tokenizer say of the classes that load them.

    "file.Class" is in the folder, "owner/name--file.Class" in another repository.
    """
    references = []
    for path in (folder / CONFIG, folder / TOKENIZER_CONFIG):
        config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        for reference in config.get("auto_map", {}).values():
            references += reference if isinstance(reference, list) else [reference]
    # None stands for a tokenizer class that does not exist.
    return [reference for reference in references if reference]
