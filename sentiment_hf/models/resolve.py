"""Find a model on the Hub: its commit, and the files that say what it is."""

from dataclasses import replace
from pathlib import Path

from huggingface_hub import snapshot_download
from transformers.utils import CONFIG_NAME, cached_file
from transformers.utils.hub import extract_commit_hash
from transformers.utils.peft_utils import find_adapter_config_file

from sentiment_hf.common.errors import failure_explained
from sentiment_hf.settings.model_ref import Kind, ModelRef, outputs_of


def resolve_on_hub(ref: ModelRef) -> ModelRef:
    """`ref` with the current commit of its branch on the Hub; an adapter is downloaded, and `ref` names its copy.

    A new model or a folder is returned unchanged. The weights of a whole checkpoint are downloaded when it is loaded.

    Raises:
        InputError: the files cannot be downloaded.
    """
    if ref.base:
        return with_base(ref, resolve_on_hub(ref.base))
    if ref.is_new or ref.folder:
        return ref
    with failure_explained(ref.name, ref.flag):
        adapter = find_adapter_config_file(ref.name, revision=ref.revision)
        file = adapter or cached_file(ref.name, CONFIG_NAME, revision=ref.revision)
        commit = extract_commit_hash(file, None)
        found = None if adapter else ref.fetched(Path(file).parent, commit)
        if found and found.kind is Kind.ONNX:
            return replace(found, folder=Path(snapshot_download(ref.name, revision=commit)))
        if found:
            return found
        other_weights = ["*.bin", "*.pt", "checkpoint-*"]
        copy = snapshot_download(ref.name, revision=commit, ignore_patterns=other_weights)
        found = ref.fetched(Path(copy), commit)
    return with_base(found, resolve_on_hub(found.base))


def with_base(adapter: ModelRef, base: ModelRef) -> ModelRef:
    """The adapter with this base. An adapter without class names of its own has those of the base, and its task."""
    known = {} if adapter.labels else outputs_of(base)
    return replace(adapter, base=base, model_type=base.model_type, **known)
