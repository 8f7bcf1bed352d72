"""Check a push before anything is trained or sent, without torch and without the network."""

from pathlib import Path

from huggingface_hub import get_token, is_offline_mode
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import ADAPTER_CONFIG, BASELINE_FILE, CONFIG, ENSEMBLE_FILE, REPORT
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import Kind, ModelRef


def require_repo_id(name: str, flag: str) -> None:
    """Raise InputError, which names `flag`, unless `name` is NAME or OWNER/NAME in characters that the Hub allows."""
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise InputError(f"{flag} {name}: expected OWNER/NAME as the Hub allows it ({error})") from error


def require_token() -> None:
    """Raise InputError if there is no token or HF_HUB_OFFLINE is set. Whether the token is valid is not checked."""
    if is_offline_mode():
        raise InputError("HF_HUB_OFFLINE is set, so nothing can be pushed: unset it")
    if get_token() is None:
        raise InputError("the Hub wants a token to push: set HF_TOKEN, or `hf auth login`")


def require_pushable(spec: RunSpec) -> None:
    """Check before training that the run can be pushed.

    Raises:
        InputError: the Hub does not allow the name, there is no token, or the base of the adapter is a local folder.
    """
    require_repo_id(spec.training["hub_model_id"], "--hub_model_id")
    require_token()
    base = spec.model.root
    if spec.tuning.tuning == "lora" and not spec.tuning.merge_adapter and base.is_local:
        raise InputError(
            f"--push_to_hub: the adapter would need --model {base.name}, which is a folder of this machine. Push that "
            "one and name it by its Hub id, or add --merge_adapter"
        )


def finished_model(folder: Path) -> ModelRef:
    """The model of the finished run in `folder`.

    Raises:
        InputError: there is no finished run, or it holds no checkpoint but a baseline, an ensemble or only scores.
    """
    if not (folder / REPORT).is_file():
        raise InputError(f"{folder} holds no finished run: expected its {REPORT}; run it to its end first")
    if not any((folder / name).is_file() for name in (CONFIG, ADAPTER_CONFIG, BASELINE_FILE, ENSEMBLE_FILE)):
        raise InputError(f"{folder} holds no model: it is a run that only scored one; push the folder of that one")
    ref = ModelRef.in_folder(folder, flag="FOLDER")
    if ref.kind is Kind.BASELINE:
        raise InputError(
            f"{folder} holds a baseline, which is no checkpoint of transformers and loads in no `pipeline()`; train "
            "custom-ngram, which does"
        )
    if ref.kind is Kind.ENSEMBLE:
        raise InputError(
            f"{folder} holds an ensemble, which is no checkpoint of transformers and loads in no `pipeline()`; push "
            f"its members, each by itself, or the graph that `sentiment-hf export {folder}` makes of it"
        )
    return ref


def refuse_local_base(ref: ModelRef, base_model: str | None) -> None:
    """Raise InputError for an adapter whose base is a local folder, which nobody else has, without --base_model."""
    if ref.base and ref.base.is_local and not base_model:
        raise InputError(
            f"{ref.folder} is an adapter of {ref.base.name}, a folder of this machine. Push that one first and name "
            "it by --base_model OWNER/NAME, or make a whole checkpoint of both by `sentiment-hf run --model "
            f"{ref.folder} --do_eval --merge_adapter`, with the data flags that it was trained with"
        )
