"""What is refused before anything of a checkpoint is loaded: pickles, and links to files elsewhere."""

from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.hub_access import require_hub
from sentiment_hf.common.links import links_in, require_inside
from sentiment_hf.settings.model_ref import ModelRef

# Weights as they were saved before safetensors.
PICKLES = ("pytorch_model*.bin", "adapter_model*.bin")


def require_checkpoint(ref: ModelRef) -> None:
    """Nothing is loaded yet.

    Raises:
        InputError: a folder with weights in a pickle or with links to files elsewhere, the folder under an adapter is
            gone, or a Hub id is wanted and the Hub does not answer.
    """
    if ref.base:
        ref.require_base()
        require_checkpoint(ref.base)
    if ref.folder is None:
        require_hub(f"the model {ref.name!r}")
    else:
        require_own_files(ref.folder)
        refuse_pickles(ref)


def require_own_files(folder: Path) -> None:
    """Raises InputError for links to files elsewhere; those of the cache of the Hub lead to beside its snapshots."""
    cached = folder.resolve().parent.name == "snapshots"
    require_inside(links_in(folder), folder.resolve().parents[1] if cached else folder)


def refuse_pickles(ref: ModelRef) -> None:
    """Raises InputError where the weights are in a pickle, which is a program, and not in safetensors."""
    pickles = sorted(path.name for pattern in PICKLES for path in ref.folder.glob(pattern))
    if pickles and not any(ref.folder.glob("*.safetensors")):
        raise InputError(
            f"{ref.flag} {ref.folder}: its weights are in {pickles[0]}, a pickle, which can hold any program; "
            "if you trust it, save it anew with transformers, which writes model.safetensors"
        )
