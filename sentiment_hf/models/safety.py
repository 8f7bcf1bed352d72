"""What is refused before anything of a checkpoint is loaded: pickles, links to elsewhere, folders without a model."""

from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.hub_access import require_hub
from sentiment_hf.data.limits import links_in, require_inside
from sentiment_hf.models.adapters import base_of
from sentiment_hf.names import is_adapter

# Weights as they were saved before safetensors.
PICKLES = ("pytorch_model*.bin", "adapter_model*.bin")


def require_checkpoint(name: str, flag: str = "--model") -> None:
    """A folder must hold a checkpoint; a Hub id needs the Hub. Nothing is loaded yet.

    Raises:
        InputError: neither.
    """
    path = Path(name)
    if path.is_dir():
        if is_adapter(name):
            base = base_of(name)[0]
            if is_adapter(base):
                raise InputError(f"{flag} {name} is an adapter of {base}, which is an adapter too and no whole model")
            require_checkpoint(base)
        elif not (path / "config.json").is_file():
            raise InputError(f"{flag} {name}: this folder is no checkpoint, it has no config.json")
        require_own_files(path)
        refuse_pickles(path, flag)
    elif path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise InputError(
            f"{flag} {name}: no such folder; expected one with a checkpoint (config.json, model.safetensors)"
        )
    else:
        require_hub(f"the model {name!r}")


def require_own_files(folder: Path) -> None:
    """Raises InputError for links to files elsewhere; those of the cache of the Hub lead to beside its snapshots."""
    cached = folder.resolve().parent.name == "snapshots"
    require_inside(links_in(folder), folder.resolve().parents[1] if cached else folder)


def refuse_pickles(folder: Path, flag: str) -> None:
    """Raises InputError where the weights are in a pickle, which is a program, and not in safetensors."""
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles and not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{flag} {folder}: its weights are in {pickles[0]}, a pickle, which can hold any program; "
            "if you trust it, save it anew with transformers, which writes model.safetensors"
        )
