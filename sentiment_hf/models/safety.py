"""Check a checkpoint before any of its files is loaded: refuse pickles, and links to files outside its folder."""

from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.hub_access import require_hub
from sentiment_hf.common.links import links_in, require_inside
from sentiment_hf.settings.model_ref import ModelRef

# File names of weights from before safetensors.
PICKLED_WEIGHTS = ("pytorch_model*.bin", "adapter_model*.bin")


def require_checkpoint(ref: ModelRef) -> None:
    """Check the checkpoint, and the base of an adapter, without loading anything.

    Raises:
        InputError: the folder holds pickled weights or links to files outside of it, the base of an adapter does not
            exist, or the checkpoint is on the Hub and the Hub does not answer.
    """
    if ref.base:
        ref.require_base()
        require_checkpoint(ref.base)
    if ref.folder is None:
        require_hub(f"the model {ref.name!r}")
    else:
        refuse_links_outside(ref.folder)
        refuse_pickles(ref)


def refuse_links_outside(folder: Path) -> None:
    """Raise InputError for a link to a file outside `folder`, but for those of the Hub's own cache."""
    require_inside(links_in(folder), folder)


def refuse_pickles(ref: ModelRef) -> None:
    """Raise InputError if the only weights are in a pickle, because loading a pickle can run any code."""
    pickles = sorted(path.name for pattern in PICKLED_WEIGHTS for path in ref.folder.glob(pattern))
    if pickles and not any(ref.folder.glob("*.safetensors")):
        raise InputError(
            f"{ref.flag} {ref.folder}: its weights are in {pickles[0]}, a pickle, which can hold any program; "
            "if you trust it, save it anew with transformers, which writes model.safetensors"
        )
