"""A quick check whether the Hub answers; the libraries retry for half a minute before they give up."""

import os
import re
import threading
from concurrent.futures import Future

from huggingface_hub import constants, get_session, is_offline_mode

from sentiment_hf.common.errors import InputError

PROBE_SECONDS = 4.0

# The environment variables, in either case, that name a proxy.
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


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
        reason = f"no answer in {PROBE_SECONDS:g} s"
    except ImportError:
        # The library's own message names the extra of another package.
        reason = "a SOCKS proxy needs the package socksio: pip install 'httpx2[socks]'"
    # A wrong proxy, endpoint or certificate file raises errors of many unrelated classes.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
    else:
        reason = f"it answered {status}" if status >= 500 else ""
    return reason and f"{reason[:120]}{_proxies()[:80]}"


def _proxies() -> str:
    """The proxies that the environment names, without passwords, for a message; empty if there is none."""
    named = {name: value for name, value in os.environ.items() if name.lower() in PROXIES and value}
    shown = (f"{name}={re.sub('//[^/]*@', '//***@', value)}" for name, value in sorted(named.items()))
    return f"; {', '.join(shown)}" if named else ""


def _probe(answer: Future) -> None:
    try:
        answer.set_result(get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS).status_code)
    except Exception as error:  # raised again by `answer.result` in the waiting thread
        answer.set_exception(error)
