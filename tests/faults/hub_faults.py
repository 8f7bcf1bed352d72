"""Block H: a push that fails leaves a trained model, says how to go on, and is completed by the same command."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from huggingface_hub import constants
from loopback_hub import USER, LoopbackHub

from faults.fault import REFUSED, SURVIVED, Fault
from faults.ground import Ground, result
from faults.programs import OURS
from faults.shot import Ended, shoot

REPO = f"{USER}/run"
SECRET = "hf_canary0123456789"


def online(hub: LoopbackHub, home: Path) -> None:
    """This process, whose libraries have read their settings already, uses the hub."""
    os.environ |= hub.environment(home / "hf-home")
    constants.ENDPOINT, constants.HF_HUB_OFFLINE = hub.url, False
    constants.HUGGINGFACE_CO_URL_TEMPLATE = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    constants.HF_HUB_DISABLE_XET, constants.HF_HUB_DISABLE_TELEMETRY = True, True


def train_and_push(hub: LoopbackHub, ground: Ground, home: Path, *more: str, **shot: Callable) -> Ended:
    """The usual run, pushed at its end."""
    argv = [*ground.program.argv(ground.data, home / "run"), "--push_to_hub", "true", "--hub_model_id", REPO, *more]
    return shoot(ground.program.main, argv, home / "log", before=partial(online, hub, home), **shot)


def fails(fail: Callable[[LoopbackHub], None], ground: Ground, home: Path) -> list[str]:
    """Once, and then not any more."""
    with LoopbackHub() as hub:
        fail(hub)
        first = train_and_push(hub, ground, home)
        found = result(home / "run")
        trained, scored = found["model.safetensors"] == ground.expected["model.safetensors"], found == ground.expected
        hub.recover()
        second = train_and_push(hub, ground, home)
        pushed = second.code == 0 and "model.safetensors" in hub.files(REPO)
    if ground.program.name == OURS.name:
        said = first.code == 4 and "Traceback" not in first.stderr and "sentiment-hf push" in first.stderr
    else:
        said = first.code == 0
    if said and scored and pushed:
        return [SURVIVED]
    reason = "hangs" if first.code is None else f"exit code {first.code}"
    done = "trained and scored" if scored else "trained, not scored" if trained else "nothing trained"
    return [f"{reason}, {done}, {'pushed' if pushed else 'not pushed'} later"]


def answers(method: str, path: str, status: int | None, hub: LoopbackHub) -> None:
    """For `fails`: what the hub answers; None closes the connection."""
    hub.fail(method, path, status)


def killed(ground: Ground, home: Path) -> Iterator[str]:
    """SIGKILL when the hub is asked to make the repository, and when it is given the commit."""
    for path in (CREATE, COMMIT):
        folder = home / Path(path).name
        folder.mkdir()
        with LoopbackHub() as hub:
            hub.fail("POST", path, None, delay=2)
            first = train_and_push(hub, ground, folder, meanwhile=partial(kill_when_asked, hub, path))
            assert first.code == -signal.SIGKILL, first
            hub.recover()
            second = train_and_push(hub, ground, folder)
            pushed = hub.files(REPO) if second.code == 0 else {}
        whole = pushed.get("model.safetensors") == (folder / "run" / "model.safetensors").read_bytes()
        yield SURVIVED if whole and result(folder / "run") == ground.expected else f"exit code {second.code}"


def kill_when_asked(hub: LoopbackHub, path: str, pid: int) -> None:
    """For `meanwhile`."""
    while not any(path in asked for _, asked in hub.requests):
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)


def stray_files(ground: Ground, home: Path) -> list[str]:
    """Files of the user's that lie in the output folder stay here."""
    (home / "run").mkdir()
    with LoopbackHub() as hub:
        train_and_push(hub, ground, home, "--max_steps", "1")
        for name in (".env", "secrets.yaml", "id_rsa", "notes.csv"):
            (home / "run" / name).write_text(SECRET)
        ended = train_and_push(hub, ground, home, *(["--overwrite"] if ground.program.name == OURS.name else []))
        sent = any(SECRET.encode() in content for content in hub.files(REPO).values())
    return ["LEAKED: pushed"] if sent else [SURVIVED if ended.code == 0 else f"exit code {ended.code}"]


def token_as_flag(ground: Ground, home: Path) -> list[str]:
    """Where it would be seen, and saved."""
    argv = [*ground.program.argv(ground.data, home / "run"), "--hub_token", SECRET]
    ended = shoot(ground.program.main, argv, home / "log")
    written = [path for path in (home / "run").rglob("*") if path.is_file()]
    if any(SECRET.encode() in path.read_bytes() for path in [*written, home / "log"]):
        return ["LEAKED: written to the output folder"]
    return [REFUSED if ended.code == 2 else f"exit code {ended.code}"]


COMMIT, CREATE = "/commit/main", "/api/repos/create"
ANSWERS = {
    "401 at the start of the push": ("POST", CREATE, 401),
    "403: not one's own": ("POST", CREATE, 403),
    "404 at the commit": ("POST", COMMIT, 404),
    "409: another commit came before": ("POST", COMMIT, 409),
    "429: too many requests": ("POST", COMMIT, 429),
    "500 at the commit": ("POST", COMMIT, 500),
    "connection closed at the start": ("POST", CREATE, None),
    "connection closed in the middle": ("POST", COMMIT, None),
}

FAULTS = [
    Fault(f"H{number:02}", f"Hub: {what}", SURVIVED, partial(fails, partial(answers, *answer)))
    for number, (what, answer) in enumerate(ANSWERS.items(), 1)
]
FAULTS += [
    Fault("H09", "secrets in the output folder of a push", SURVIVED, stray_files),
    Fault("H10", "token as a flag", REFUSED, token_as_flag),
    Fault("H11", "SIGKILL in the middle of a push", SURVIVED, killed),
]
