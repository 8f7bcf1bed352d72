"""The page answers as predict does, labels files, loads nothing from elsewhere, and leaves nothing behind."""

import csv
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Browser
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import Status
from helpers import run_flags, write_csv, write_data
from launching import ROOT, environment

from sentiment_hf import api
from sentiment_hf.cli import demo_command, predict_command
from sentiment_hf.demo.words import COLOURS, load_shown, marked
from sentiment_hf.explaining.explain import load_explainer
from sentiment_hf.settings.model_ref import ModelRef

TEXTS = ["a good film", "bad soup here", "x" * 3000, "\x00 ﷽ 🤷🏽 <b>*lovely*</b>"]
SECRET = "aubergine"


class Demo:
    """A running `sentiment-hf demo`, in an empty folder, with an empty folder for temporary files."""

    def __init__(self, home: Path, *words: str | Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address, self.log = f"http://127.0.0.1:{self.port}", home / "log"
        self.place, self.temporary = home / "place", home / "temporary"
        for folder in (self.place, self.temporary):
            folder.mkdir()
        command = [sys.executable, "-m", "sentiment_hf", "demo", *map(str, words), "--port", str(self.port)]
        where = environment() | {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)}
        # Nothing is asked of the network: nobody listens there.
        where |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9") | {"NO_PROXY": ""}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=where, cwd=self.place, stdout=log, stderr=subprocess.STDOUT)
        self.wait(lambda: "shows the page" in self.log.read_text())
        self.client = Client(self.address, verbose=False, download_files=home / "downloads")

    def wait(self, ready: Any) -> None:
        """Until `ready` is true."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            if ready():
                return
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text())

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any, str]:
        """(status, headers, body) of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def call(self, name: str, *data: Any) -> str:
        """What the server says of a request that no browser and no client would send."""
        _, _, answer = self.ask("POST", f"/gradio_api/call/{name}", {"data": data})
        return self.ask("GET", f"/gradio_api/call/{name}/{json.loads(answer)['event_id']}")[2]

    def label(self, file: Path, model: str = "gru", columns: str = "") -> Path:
        """The file that comes out of the other tab."""
        return Path(self.client.predict(handle_file(file), model, columns, api_name="/label"))

    def end(self, number: int) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("shown")
    data = write_data(home / "data")
    run_flags(data, home / "gru")
    run_flags(data, home / "ngram", model="custom-ngram")
    return {name: home / name for name in ("gru", "ngram", "data")}


@pytest.fixture(scope="module")
def demo(folders, tmp_path_factory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"), folders["ngram"], folders["gru"])
    yield running
    # It is asked to end by the last test.
    running.process.kill()
    running.process.wait()


def bars(shown: dict) -> dict[str, float]:
    return {one["label"]: one["confidence"] for one in shown["confidences"]}


def test_the_models_answer_side_by_side_as_predict_does(demo, folders):
    wanted = {name: api.predict(folders[name], TEXTS) for name in ("ngram", "gru")}
    for index, text in enumerate(TEXTS):
        first, first_scores, second, second_scores = demo.client.predict(text, api_name="/classify")
        for name, decided, scores in (("ngram", first, first_scores), ("gru", second, second_scores)):
            assert decided["label"] == wanted[name][index]["label"]
            assert bars(scores) == pytest.approx(wanted[name][index]["scores"], abs=1e-5)
    assert not any(one.get("label") for one in demo.client.predict("  ", api_name="/classify"))
    assert "half of a surrogate pair, which is no character" in demo.call("classify", "film \ud800")


def test_the_words_that_decided_are_marked_by_colour_and_sign(demo, folders):
    text = "the <b>good</b> film was awful, and so"
    explainer = load_explainer(ModelRef.parse(str(folders["ngram"])))
    (explanation,) = explainer.explain([text])
    output = int(explanation.probabilities.argmax())
    first, second = demo.client.predict(text, api_name="/words")
    for shown in (first, second):
        assert "".join(one["token"] for one in shown["value"]) == text
        assert {one["class_or_confidence"] for one in shown["value"]} <= {None, *COLOURS}
    assert f"words for (+) and against (−) {explanation.labels[output]}, by exact" in first["label"]
    signs = {one["token"]: one["class_or_confidence"] for one in first["value"]}
    chosen = explanation.scores[:, output]
    scores = {text[start:end]: score for (start, end), score in zip(explanation.words, chosen, strict=True)}
    strongest = max(scores, key=lambda word: abs(scores[word]))
    assert signs[strongest] == ("+++" if scores[strongest] > 0 else "−−−")
    for word, sign in signs.items():
        if sign:
            assert sign[0] == ("+" if scores[word] > 0 else "−")


def test_a_model_that_cannot_be_explained_is_shown_and_says_why(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    shown = load_shown("gru", ModelRef.parse(str(folders["gru"])))
    assert shown.scorer.classify(["a good film"], 1).shape == (1, 2)
    assert "pip install 'sentiment-hf[explain]'" in str(marked(shown, "a good film").value)


def test_a_text_that_cannot_be_explained_is_said_in_the_place_of_its_words(folders):
    shown = load_shown("ngram", ModelRef.parse(str(folders["ngram"])))
    shown = replace(shown, explainer=shown.explainer.by("deletion"))
    assert "at most 1,000 words" in str(marked(shown, "film " * 1001).value)
    assert marked(shown, " ").value is None


def test_a_file_comes_out_as_predict_writes_it(demo, folders, tmp_path):
    file = write_csv(tmp_path / "reviews.csv", [(text, index) for index, text in enumerate(TEXTS)], ("text", "id"))
    wanted = tmp_path / "wanted.csv"
    for name in ("gru", "ngram"):
        assert predict_command([str(folders[name]), "--file", str(file), "--output", str(wanted)]) == 0
        found = demo.label(file, name)
        assert found.name == "reviews-labelled.csv"
        assert found.read_bytes() == wanted.read_bytes()


def test_lines_and_columns_with_other_names_are_labelled(demo, folders, tmp_path):
    lines, rows = tmp_path / "lines.txt", tmp_path / "rows.jsonl"
    lines.write_bytes(b"a good film\r\n\r\nbad soup\n")
    rows.write_text('{"words": "a good film"}\n')
    with demo.label(lines).open(newline="") as file:
        found = list(csv.DictReader(file))
    texts = ["a good film", "", "bad soup"]
    assert [row["text"] for row in found] == texts
    assert [row["prediction"] for row in found] == [one["label"] for one in api.predict(folders["gru"], texts)]
    assert demo.label(rows, columns="words").name == "rows-labelled.jsonl"


WRONG = {
    "none.csv": (b"", "none.csv is empty"),
    "other.csv": (b"words\nfilm\n", "the file has no column 'text' (known: words); name the columns to read by 'Text"),
    "latin.txt": (b"caf\xe9\n", "latin.txt, line 1: not UTF-8"),
    "page.pdf": (b"%PDF-1.4", "page.pdf is a PDF document; export its texts as csv"),
    "taken.csv": (b"text,prediction\na,b\n", "taken.csv has a column 'prediction' already"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_gives_a_sentence_without_a_path(name, demo, tmp_path):
    content, sentence = WRONG[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AppError) as error:
        demo.label(tmp_path / name)
    assert sentence in str(error.value)
    assert "/" not in str(error.value).replace("iconv", "")
    assert "Traceback" not in demo.log.read_text()


def test_no_file_of_the_machine_is_read_but_what_was_uploaded(demo, folders):
    file = str(folders["data"] / "train.csv")
    assert demo.ask("GET", f"/gradio_api/file={file}")[0] == 403
    uploaded = {"path": file, "meta": {"_type": "gradio.FileData"}}
    assert demo.call("label", uploaded, "gru", "").startswith("event: error")


def test_the_page_names_nothing_to_load_from_elsewhere(demo):
    status, headers, page = demo.ask("GET", "/")
    assert status == 200
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert '"analytics_enabled":false' in page
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page)
    assert len(tags) > 3
    assert not [tag for tag in tags if re.search(r"(?:src|href)=[\"']?(?:https?:)?//", tag)]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")
def test_in_a_browser_a_text_is_typed_and_answered_and_nothing_else_is_asked_for(demo, folders, tmp_path):
    (wanted,) = api.predict(folders["gru"], ["a good film"])
    with Browser(tmp_path) as browser:
        browser.open(demo.address)
        browser.write("textarea", "a good film")
        browser.click("Classify")
        browser.wait("document.body.innerText.includes('+++') || document.body.innerText.includes('−−−')")
        shown = browser.wait("document.body.innerText.includes('%') && document.body.innerText")
        assert f"gru\n{wanted['label']}\nprobabilities" in shown
        assert "ngram: words for (+) and against (−)" in shown
        asked = {address.split("/")[2] for address in browser.requests if not address.startswith(("data:", "blob:"))}
        assert asked == {f"127.0.0.1:{demo.port}"}
        assert not browser.complaints


def test_it_ends_by_a_signal_and_leaves_no_file_and_no_text(demo, tmp_path):
    (tmp_path / "secret.txt").write_text(SECRET)
    demo.client.predict(SECRET, api_name="/classify")
    demo.label(tmp_path / "secret.txt")
    assert any(SECRET in path.read_text("utf-8", "ignore") for path in demo.temporary.rglob("*.txt"))
    (tmp_path / "large.txt").write_text(f"{SECRET} soup\n" * 200_000)
    job = demo.client.submit(handle_file(tmp_path / "large.txt"), "gru", "", api_name="/label")
    demo.wait(lambda: job.status().code is Status.PROCESSING)
    assert demo.end(signal.SIGTERM) == 0
    assert not list(demo.temporary.rglob("*"))
    assert not list(demo.place.rglob("*"))
    assert SECRET not in demo.log.read_text()
    socket.create_server(("127.0.0.1", demo.port)).close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "none"),
        (["custom-lstm"], "is a new model, which is not trained"),
        (["{gru}", "{gru}"], "is given twice"),
        (["{gru}", "--port", "0"], "--port 0 must be at least 1"),
        (["{gru}", "--port", "70000"], "--port 70000 must be at most 65535"),
        (["{gru}", "--port", "{taken}"], "choose another"),
        (["{gru}", "--port", "{free}", "--dataset", "./nowhere"], "nowhere"),
        (["{data}"], "no config.json"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_it_begins(words, message, folders, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        known = {"free": free.getsockname()[1]}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        known |= folders | {"taken": taken.getsockname()[1]}
        assert demo_command([word.format(**known) for word in words]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert len(shown.splitlines()) == 1


def test_without_gradio_the_extra_is_named(folders, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("sentiment_hf.demo")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert demo_command([str(folders["gru"])]) == 2
    assert "pip install 'sentiment-hf[demo]'" in capsys.readouterr().err
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
