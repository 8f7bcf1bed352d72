"""A quick check whether the Hub answers; the libraries retry for half a minute before they give up."""

import threading
from concurrent.futures import Future

import httpx2
from huggingface_hub import constants, get_session, is_offline_mode

from sentiment_hf.common.errors import InputError

PROBE_SECONDS = 4.0


def require_hub(what: str) -> None:
    """Raise InputError within `PROBE_SECONDS` unless the Hub answers.

    `what` names the thing to be downloaded in the message: "the data set 'imdb'". With HF_HUB_OFFLINE there is no
    check, because the libraries then use their cache only.
    """
    if is_offline_mode():
        return
    if reason := why_unreachable():
        raise InputError(
            f"The Hub at {constants.ENDPOINT} cannot be reached ({reason}), and {what} must be downloaded. Without "
            "a network, use `--dataset sample` or `--dataset FOLDER` (for a model: a custom one or `--model FOLDER`), "
            "or set HF_HUB_OFFLINE=1 to use the copy that an earlier run downloaded."
        )


def why_unreachable() -> str:
    """The reason why the Hub does not answer, found within `PROBE_SECONDS`; empty if the Hub answers."""
    answer: Future[int] = Future()
    # In a thread, because the timeout of the HTTP client does not include the look-up of the host name.
    threading.Thread(target=_probe, args=(answer,), daemon=True).start()
    try:
        status = answer.result(timeout=PROBE_SECONDS)
    except TimeoutError:
        return f"no answer in {PROBE_SECONDS:g} s"
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return str(error)
    return f"it answered {status}" if status >= 500 else ""


def _probe(answer: Future) -> None:
    try:
        answer.set_result(get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS).status_code)
    except Exception as error:  # raised again by `answer.result` in the waiting thread
        answer.set_exception(error)
