"""What `push --space` puts on the Hub is a page that runs there without our packages and answers as predict does."""

import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from browser import CHROMIUM, Browser
from gradio_client import Client
from helpers import run_flags, write_csv
from huggingface_hub import HfApi
from loopback_hub import USER
from test_package import PINS

from sentiment_hf import api
from sentiment_hf.cli import push_command
from sentiment_hf.demo.app import cells_of
from sentiment_hf.demo.models import shown_model
from sentiment_hf.demo.space import GRADIO

# It takes more than half a minute.
pytestmark = pytest.mark.slow

TEXTS = ["a good film", "bad soup here, and it was cold", "zzz"]
FILES = {".gitattributes", "README.md", "app.py", "requirements.txt"}
LABELS = {
    "single": ("good", "bad"),
    "multi": ("food|service", ""),
    "price": ("7.5", "3"),
    "stars": ("5", "1"),
}
TASKS = {
    "single": [],
    "multi": ["--label_delimiter", "|"],
    "price": ["--task", "regression", "--label_column_name", "price"],
    "stars": ["--task", "ordinal", "--label_column_name", "stars"],
}
# What the Space runs, where our packages are not installed.
ALONE = """
import runpy, sys
sys.modules["custom_models"] = sys.modules["sentiment_hf"] = None
runpy.run_path("app.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    """A run of each task."""
    home = tmp_path_factory.mktemp("runs")
    for task, labels in LABELS.items():
        column = task if task in ("price", "stars") else "label"
        pairs = list(zip(("good", "bad"), labels, strict=True)) * 20
        for split in ("train", "validation", "test"):
            rows = [(f"a {word} {split} {index}", label) for index, (word, label) in enumerate(pairs)]
            write_csv(home / "of" / task / f"{split}.csv", rows, ("text", column))
        more = [*TASKS[task], "--num_train_epochs", 1, "--learning_rate", 0.05]
        run_flags(home / "of" / task, home / task, *more, model="custom-fc")
    return {task: home / task for task in LABELS}


def push(folder: Path, space: str, *more: str) -> int:
    return push_command([str(folder), "--space", f"{USER}/{space}", *more])


def fetched(hub, space: str, folder: Path) -> Path:
    """The files of a Space, in a folder."""
    folder.mkdir()
    for name, content in hub.files(f"{USER}/{space}", repo_type="space").items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("task", LABELS)
def test_the_page_answers_for_each_task_as_predict_does_here_and_in_the_space(hub, runs, task, tmp_path):
    assert push(runs[task], f"page-{task}") == 0
    app = runpy.run_path(str(fetched(hub, f"page-{task}", tmp_path / "space") / "app.py"))
    scorer = api.load(runs[task])
    here = shown_model("mine", scorer)
    for text, wanted in zip(TEXTS, api.predict(scorer, TEXTS), strict=True):
        found = app["answer"](text)
        assert found.get("labels") == wanted.get("labels")
        assert found.get("label") == wanted.get("label")
        for name in ("value", "expected_value", "scores"):
            assert found.get(name) == (pytest.approx(wanted[name], abs=1e-5) if name in wanted else None)
        there = app["Model"]("theirs", app["answer"], here.scores)
        assert app["cells_of"](there, text)[0] == cells_of(here, text)[0]
    decided = cells_of(here, TEXTS[0])
    assert len(decided) == (1 if task == "price" else 2)
    assert ("expected" in decided[0]) == (task == "stars")
    assert here.name == ("mine: price" if task == "price" else "mine")
    assert ("a text has a label from: food" in (here.scores or "")) == (task == "multi")


def changed(run: Path, folder: Path, config: dict) -> Path:
    """A copy of a run with other entries in its config.json, which are left out where they are None."""
    shutil.copytree(run, folder)
    config = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps({name: it for name, it in config.items() if it is not None}))
    return folder


def test_the_files_name_commit_versions_and_python(hub, runs, tmp_path, capsys):
    assert push(runs["single"], "files", "--hub_model_id", f"{USER}/its-model", "--license", "mit") == 0
    shown = capsys.readouterr().out
    assert f"pushed to {hub.url}/{USER}/its-model\npushed to {hub.url}/spaces/{USER}/files\n" in shown
    files = hub.files(f"{USER}/files", repo_type="space")
    assert files.keys() == FILES
    commit = hub.commits(f"{USER}/its-model")[1][0]
    text = files["README.md"].decode()
    head = yaml.safe_load(text.split("---\n")[1])
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"python_version: '{python}'\n" in text
    assert head["python_version"] == python
    assert (head["sdk"], head["sdk_version"], head["app_file"]) == ("gradio", GRADIO, "app.py")
    assert head["models"] == [f"{USER}/its-model"]
    (model, loaded, revision) = head["preload_from_hub"][0].split()
    assert (model, revision) == (f"{USER}/its-model", commit)
    assert set(loaded.split(",")) <= hub.files(f"{USER}/its-model", commit).keys()
    assert {"model.safetensors", "fc.py"} <= set(loaded.split(","))
    assert PINS["gradio"] == GRADIO
    needed = [line for line in files["requirements.txt"].decode().splitlines() if line and not line.startswith("#")]
    assert needed == [f"torch=={PINS['torch']}", f"transformers=={PINS['transformers']}"]
    app = files["app.py"].decode()
    assert f"MODEL, REVISION = '{USER}/its-model', '{commit}'\n" in app
    assert 'pipeline("text-classification", MODEL, revision=REVISION, trust_remote_code=True)' in app
    assert push(changed(runs["single"], tmp_path / "stock", {"auto_map": None}), "stock") == 0
    assert "trust_remote_code" not in hub.files(f"{USER}/stock", repo_type="space")["app.py"].decode()


def test_a_dry_run_lists_the_files_of_both_and_sends_nothing(hub, runs, capsys):
    before = len(hub.requests)
    assert push(runs["single"], "dry", "--dry_run") == 0
    assert len(hub.requests) == before
    shown = capsys.readouterr().out
    assert "app.py" in shown
    assert f"files would go to {USER}/dry; nothing was sent" in shown
    assert f"3 files would go to the Space {USER}/dry; nothing was sent" in shown


def test_what_pipeline_cannot_load_is_refused_by_name_before_anything_is_sent(hub, runs, tmp_path, capsys):
    run, elsewhere = runs["single"], {"AutoModelForSequenceClassification": "you/code--fc.FCForSequenceClassification"}
    adapter = Path(shutil.copytree(run, tmp_path / "adapter"))
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "you/base"}')
    baseline = Path(shutil.copytree(run, tmp_path / "baseline"))
    (baseline / "model.skops").touch()
    refused = {
        adapter: "is an adapter, and the page loads whole checkpoints",
        baseline: "holds a baseline",
        changed(
            run, tmp_path / "graph", {"graph": "model.onnx"}
        ): "is an ONNX graph, which `pipeline()` does not load",
        changed(run, tmp_path / "foreign", {"auto_map": elsewhere}): "runs code of another repository, you/code",
    }
    before = len(hub.requests)
    for folder, message in refused.items():
        assert push(folder, "refused") == 2
        assert message in capsys.readouterr().err
    assert push(runs["single"], "a b") == 2
    assert f"--hub_model_id {USER}/a b: expected OWNER/NAME" in capsys.readouterr().err
    assert len(hub.requests) == before


def test_a_space_that_was_edited_is_not_overwritten_unless_asked(hub, runs, capsys):
    hub.add(f"{USER}/foreign", {"app.py": b"print('mine')"}, repo_type="space")
    assert push(runs["single"], "foreign") == 4
    message = capsys.readouterr().err
    assert f"the Space is not: app.py of {USER}/foreign was edited there" in message
    assert len(message.splitlines()) == 1
    assert hub.files(f"{USER}/foreign", repo_type="space")["app.py"] == b"print('mine')"
    assert push(runs["single"], "foreign", "--overwrite_card") == 0
    assert push(runs["single"], "foreign") == 0, "what a push wrote is written anew"
    app = hub.files(f"{USER}/foreign", repo_type="space")["app.py"]
    hub.add(f"{USER}/foreign", {"app.py": app.replace(b"EXAMPLES", b"SAMPLES")}, repo_type="space")
    assert push(runs["single"], "foreign") == 4


def test_a_push_whose_space_failed_is_completed_later(hub, runs, capsys):
    hub.fail("POST", "/api/spaces/", 403)
    assert push(runs["single"], "failed", "--hub_private_repo") == 4
    again = f"sentiment-hf push {runs['single']} --hub_model_id {USER}/failed --space {USER}/failed --hub_private_repo"
    assert again in capsys.readouterr().err
    assert "model.safetensors" in hub.files(f"{USER}/failed")
    hub.recover()
    assert push_command(again.split()[2:]) == 0
    assert HfApi().repo_info(f"{USER}/failed", repo_type="space").private


def test_the_pushed_page_runs_where_our_packages_are_not_installed(hub, runs, tmp_path):
    assert push(runs["single"], "alone") == 0
    folder = fetched(hub, "alone", tmp_path / "space")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(tmp_path / "uploads")}
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", ALONE], cwd=folder, env=where, stdout=out, stderr=out)
    try:
        end = time.monotonic() + 120
        while "Running on local URL" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        client = Client(f"http://127.0.0.1:{port}", verbose=False)
        for text, wanted in zip(TEXTS, api.predict(runs["single"], TEXTS), strict=True):
            decided, scores = client.predict(text, api_name="/classify")
            assert decided["label"] == wanted["label"]
            found = {one["label"]: one["confidence"] for one in scores["confidences"]}
            assert found == pytest.approx(wanted["scores"], abs=1e-5)
        client.close()
        if CHROMIUM:
            drive(port, tmp_path / "browser")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert "Traceback" not in log.read_text()
    socket.create_server(("127.0.0.1", port)).close()


def drive(port: int, home: Path) -> None:
    """Type a text into the page; it is answered, and nothing is asked of another host."""
    home.mkdir()
    with Browser(home) as browser:
        browser.open(f"http://127.0.0.1:{port}")
        browser.write("textarea", TEXTS[0])
        browser.click("Classify")
        browser.wait("document.body.innerText.includes('%')")
        asked = {address.split("/")[2] for address in browser.requests if not address.startswith(("data:", "blob:"))}
        assert asked == {f"127.0.0.1:{port}"}
        assert not browser.complaints
