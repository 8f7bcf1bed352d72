"""Push a finished run to the Hub: first the files of an allow-list, then a card that names their commit."""

import json
import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from sentiment_hf.common.errors import NotPushedError
from sentiment_hf.common.hub_access import why_unreachable
from sentiment_hf.common.layout import ADAPTER_CONFIG, CARD
from sentiment_hf.hub.card_mark import edited_on_hub, marked
from sentiment_hf.hub.pushed_files import may_be_pushed, pushed_files, read_card
from sentiment_hf.hub.refusals import finished_model, refuse_local_base
from sentiment_hf.runs.card_usage import pinned_card

logger = logging.getLogger(__name__)

ADVICE_BY_STATUS = {
    401: "the Hub does not know the token: set HF_TOKEN, or `hf auth login`",
    403: "the token may not write there: it needs the permission to, and so do you where it is an organisation",
    404: "there is no such user, organisation or revision, or the token may not see it",
    409: "somebody else changes it at this moment, or the name is taken: try again",
    412: "somebody else has changed it at this moment: try again",
    429: "the Hub has had too many requests from you: wait some minutes",
}


@dataclass(frozen=True)
class Destination:
    """Where a run is pushed, and how; the fields are the flags of push.

    private: only a new repository is made private.
    space: the Space with its page; None without one.
    """

    hub_model_id: str
    private: bool | None
    license: str | None
    base_model: str | None = None
    overwrite_card: bool = False
    space: str | None = None

    def command(self, folder: Path) -> str:
        """The command that pushes `folder` there."""
        flags = {"--hub_model_id": self.hub_model_id, "--license": self.license, "--base_model": self.base_model}
        flags |= {"--space": self.space}
        words = ["sentiment-hf", "push", str(folder), *(word for pair in flags.items() if pair[1] for word in pair)]
        return shlex.join(
            [*words, *["--hub_private_repo"] * bool(self.private), *["--overwrite_card"] * self.overwrite_card]
        )


@dataclass(frozen=True)
class Pushed:
    """A model on the Hub: its id, the commit with its files, their names, and the address of its page."""

    repo_id: str
    commit: str
    files: Sequence[str]
    address: str


def push(folder: Path, to: Destination) -> Pushed:
    """Push in two commits: the model, then the card, which names the first commit.

    A card that was edited on the Hub stays as it is, which is said, unless `overwrite_card` is true. Files that an
    earlier push of another model left in the repository are deleted, such as those of an adapter when `folder` holds a
    whole checkpoint. Files that no push writes stay.

    Raises:
        InputError: `folder` holds no finished run, or a file is missing; nothing was sent.
        NotPushedError: the Hub refused or did not answer; the files in `folder` are unchanged.
    """
    ref = finished_model(folder)
    refuse_local_base(ref, to.base_model)
    files = [name for name in pushed_files(ref) if name != CARD]
    card = read_card(folder)
    with push_failure_explained(folder, to.command(folder)):
        api = reached_hub()
        repo_id = make_repository(api, to.hub_model_id, to.private)
        changed = {ADAPTER_CONFIG: adapter_config_with_base(folder, to.base_model, api)} if to.base_model else {}
        operations = [CommitOperationAdd(name, changed.get(name, folder / name)) for name in files]
        there = [name for name in api.list_repo_files(repo_id) if may_be_pushed(name)]
        operations += [CommitOperationDelete(name) for name in there if name not in files]
        commit = api.create_commit(repo_id, operations, commit_message="The model").oid
        card = marked(pinned_card(card, repo_id, commit, to.license, to.base_model))
        push_card(api, repo_id, commit, card, to.overwrite_card)
    return Pushed(repo_id, commit, files, f"{api.endpoint}/{repo_id}")


def push_space(folder: Path, files: Mapping[str, str], to: Destination) -> str:
    """Push {name: content} to the Space in one commit; returns its address.

    Raises:
        NotPushedError: the Hub refused or did not answer, or one of the files was edited there, or is another's;
            nothing of the Space was changed.
    """
    with push_failure_explained(folder, to.command(folder)):
        api = reached_hub()
        repo_id = make_repository(api, to.space, to.private, repo_type="space", space_sdk="gradio")
        head = api.repo_info(repo_id, repo_type="space").sha
        edited = [name for name in files if edited_on_hub(api, repo_id, head, name, "space")]
        if edited and not to.overwrite_card:
            raise NotPushedError(
                f"the model is pushed; the Space is not: {', '.join(edited)} of {repo_id} was edited there, or not "
                "written by a push. Choose another name, or replace it by --overwrite_card"
            )
        operations = [CommitOperationAdd(name, marked(text, name).encode()) for name, text in files.items()]
        more = {"repo_type": "space", "commit_message": "The page", "parent_commit": head}
        api.create_commit(repo_id, operations, **more)
    return f"{api.endpoint}/spaces/{repo_id}"


def reached_hub() -> HfApi:
    """The Hub; raises ConnectionError if it does not answer."""
    if reason := why_unreachable():
        raise ConnectionError(reason)
    return HfApi(library_name="sentiment_hf")


def make_repository(api: HfApi, name: str, private: bool | None, **kind: str) -> str:
    """The id of a repository, which is made if it is not there; raises ConnectionError if it should be private."""
    repo_id = api.create_repo(name, private=private or None, exist_ok=True, **kind).repo_id
    if private and not api.repo_info(repo_id, repo_type=kind.get("repo_type")).private:
        raise ConnectionError("it is there and public: make it private on the Hub, or choose another name")
    return repo_id


def push_card(api: HfApi, repo_id: str, model_commit: str, card: str, overwrite: bool) -> None:
    """Push the card after the commit of the model, unless another one was edited on the Hub, which is said."""
    if not overwrite and edited_on_hub(api, repo_id, model_commit):
        logger.warning(
            "the card of %s was edited on the Hub and stays as it is, with the commit that its code names; "
            "--overwrite_card puts that of the run in its place",
            repo_id,
        )
        return
    operation = CommitOperationAdd(CARD, card.encode())
    api.create_commit(repo_id, [operation], commit_message="Its card", parent_commit=model_commit)


def adapter_config_with_base(folder: Path, base_model: str, api: HfApi) -> bytes:
    """The file adapter_config.json with `base_model` as the base, at its current commit on the Hub."""
    config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": base_model, "revision": api.model_info(base_model).sha}
    return json.dumps(config, indent=2).encode()


@contextmanager
def push_failure_explained(folder: Path, command: str) -> Iterator[None]:
    """Turn an error into NotPushedError, which says what to do and names the `command` that completes the push."""
    try:
        yield
    except NotPushedError:
        raise
    except (HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError, ValueError, KeyboardInterrupt) as error:
        status = http_status(error)
        reason = " ".join(str(error).split()) or "interrupted"
        advice = ADVICE_BY_STATUS.get(
            status,
            "the Hub has trouble of its own: try later"
            if status >= 500
            else "there was no answer, or an unexpected one",
        )
        raise NotPushedError(
            f"not pushed, or not whole: {advice} ({reason}). The model is on disk, in {folder}; this completes the "
            f"push: {command}"
        ) from error


def http_status(error: BaseException) -> int:
    """The status of the Hub's answer, in `error` or in its causes; 0 without an answer."""
    while error is not None:
        if isinstance(error, HfHubHTTPError):
            return error.response.status_code
        error = error.__cause__
    return 0
