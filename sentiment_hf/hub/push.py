"""A finished run to the Hub: an allow-list of files, and a card that names the commit which holds them."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from sentiment_hf.common.errors import NotPushedError
from sentiment_hf.common.hub_access import why_unreachable
from sentiment_hf.common.layout import ADAPTER_CONFIG, CARD
from sentiment_hf.hub.pushed_files import card_of, is_ours, pushed_files
from sentiment_hf.hub.refusals import finished_model, refuse_local_base
from sentiment_hf.runs.card import pinned

ADVICE = {
    401: "the Hub does not know the token: set HF_TOKEN, or `hf auth login`",
    403: "the token may not write there: it needs the permission to, and so do you where it is an organisation",
    404: "there is no such user, organisation or revision, or the token may not see it",
    409: "somebody else changes it at this moment, or the name is taken: try again",
    429: "the Hub has had too many requests from you: wait some minutes",
}


def push(
    folder: Path, hub_model_id: str, private: bool | None, license_name: str | None, base_model: str | None = None
) -> str:
    """Two commits: the model, then the card that names the first by its hash. Returns the address of the model.

    Files of another model that an earlier push left in the repository, such as an adapter where there now is a whole
    checkpoint, are removed; what is none of ours stays.

    Raises:
        InputError: the folder is not whole, or no finished run; nothing is sent.
        NotPushedError: the Hub said no, or nothing; the model is on disk as before.
    """
    ref = finished_model(folder)
    refuse_local_base(ref, base_model)
    files = [name for name in pushed_files(ref) if name != CARD]
    card = card_of(folder)
    again = ["sentiment-hf", "push", str(folder), "--hub_model_id", hub_model_id]
    again += ["--hub_private_repo"] if private else []
    again += ["--license", license_name] if license_name else []
    again += ["--base_model", base_model] if base_model else []
    with push_failure_explained(folder, shlex.join(again)):
        if reason := why_unreachable():
            raise ConnectionError(reason)
        api = HfApi(library_name="sentiment_hf")
        repo_id = api.create_repo(hub_model_id, private=private or None, exist_ok=True).repo_id
        if private and not api.model_info(repo_id).private:
            raise ConnectionError("it is there and public: make it private on the Hub, or choose another name")
        stale = [name for name in api.list_repo_files(repo_id) if is_ours(name) and name not in files]
        changed = {ADAPTER_CONFIG: with_base(folder, base_model, api)} if base_model else {}
        operations = [CommitOperationAdd(name, changed.get(name, folder / name)) for name in files]
        operations += [CommitOperationDelete(name) for name in stale]
        commit = api.create_commit(repo_id, operations, commit_message="The model")
        card = pinned(card, repo_id, commit.oid, license_name, base_model)
        api.create_commit(repo_id, [CommitOperationAdd(CARD, card.encode())], commit_message="Its card")
    return f"{api.endpoint}/{repo_id}"


def with_base(folder: Path, base_model: str, api: HfApi) -> bytes:
    """The config of an adapter with another name for its base, as it is there now."""
    config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": base_model, "revision": api.model_info(base_model).sha}
    return json.dumps(config, indent=2).encode()


@contextmanager
def push_failure_explained(folder: Path, again: str) -> Iterator[None]:
    """What happened, what to do about it, and the command that completes the push."""
    try:
        yield
    except (HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError, ValueError, KeyboardInterrupt) as error:
        status = status_of(error)
        reason = " ".join(str(error).split()) or "interrupted"
        advice = ADVICE.get(
            status,
            "the Hub has trouble of its own: try later"
            if status >= 500
            else "there was no answer, or an unexpected one",
        )
        raise NotPushedError(
            f"not pushed, or not whole: {advice} ({reason}). The model is on disk, in {folder}; this completes the "
            f"push: {again}"
        ) from error


def status_of(error: BaseException) -> int:
    """Of the answer of the Hub, which may be the cause of the error; 0 without an answer."""
    while error is not None:
        if isinstance(error, HfHubHTTPError):
            return error.response.status_code
        error = error.__cause__
    return 0
