"""The service answers as predict does, refuses what is wrong alone, and ends without losing an answer."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from helpers import OTHER_TASKS, cores, relabelled, run_baseline, run_flags, write_data
from launching import ROOT, environment
from served import Service

from sentiment_hf import api
from sentiment_hf.cli import export_command, serve_command
from sentiment_hf.serving.messages import LONGEST_TEXT, MOST_TEXTS
from sentiment_hf.serving.served import Served

TEXTS = ["", "a good film", "bad soup here", "x" * 3000, "\x00 ﷽ 🤷🏽", "lovely"]
SECRET = "aubergine"

# What an image that only serves exported models does without.
TO_TRAIN = {"torch", "datasets", "sklearn", "scipy", "pandas", "pyarrow", "accelerate", "peft", "evaluate", "psutil"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("served")
    data = write_data(home / "data")
    run_flags(data, home / "gru")
    run_baseline(data, home / "bayes", "baseline-naive-bayes-bow")
    assert export_command([str(home / "gru")]) == 0
    return {name: home / name for name in ("gru", "gru-onnx", "bayes")}


@pytest.fixture(scope="module")
def service(folders, tmp_path_factory) -> Iterator[Service]:
    running = Service(folders["gru"], tmp_path_factory.mktemp("log"), "--workers", "2", "--timeout_ms", "4000")
    yield running
    assert running.end() == 0


def test_it_answers_as_predict_does(service, folders):
    expected = api.predict(folders["gru"], TEXTS)
    status, answers = service.send("/predict", {"texts": TEXTS})
    assert status == 200
    for answer, wanted in zip(answers, expected, strict=True):
        assert answer["label"] == wanted["label"]
        assert answer["scores"] == pytest.approx(wanted["scores"], abs=1e-5)
    for text, wanted in zip(TEXTS, expected, strict=True):
        status, answer = service.send("/predict", {"text": text})
        assert (status, answer["label"]) == (200, wanted["label"])
        assert answer["score"] == pytest.approx(wanted["score"], abs=1e-5)


@pytest.mark.parametrize("task", OTHER_TASKS)
def test_every_task_is_answered(task, tmp_path):
    labels, flags = OTHER_TASKS[task]
    data = relabelled(write_data(tmp_path / "data"), tmp_path / task, labels)
    run_flags(data, tmp_path / "run", *flags, model="custom-fc")
    given = {"model": str(tmp_path / "run"), "revision": "main", "trust_remote_code": False}
    served = Served.of_settings(given | {"batch_size": 4, "threads": cores()})
    answers = msgspec.to_builtins(served.answers(TEXTS))
    for answer, expected in zip(answers, api.predict(tmp_path / "run", TEXTS), strict=True):
        assert answer == {
            name: pytest.approx(value) if name != "labels" else value for name, value in expected.items()
        }


WRONG = [
    (b"{", "truncated"),
    (b"[1, 2]", "Expected `object`"),
    (b'{"text": 1}', "Expected `str | null`, got `int` - at `$.text`"),
    (b'{"texts": "aubergine"}', "Expected `array | null`"),
    (b'{"text": "aubergine", "other": 1}', "unknown field `other`"),
    (b'{"text": "aubergine", "texts": ["aubergine"]}', "expected"),
    (b"{}", "expected"),
    (b'{"texts": []}', f"expected 1 to {MOST_TEXTS} texts, found 0"),
    (json.dumps({"texts": ["aubergine"] * (MOST_TEXTS + 1)}).encode(), f"found {MOST_TEXTS + 1}"),
    (json.dumps({"text": "aubergine " * LONGEST_TEXT}).encode(), f"at most {LONGEST_TEXT:,}"),
    (b'{"text": "aubergine \\ud800"}', "validation error"),
    (b'{"text": "aubergine \xff"}', "validation error"),
    (b'{"text": "aubergine \\u0000", "text', "validation error"),
]


@pytest.mark.parametrize(("body", "message"), WRONG)
def test_wrong_input_is_refused_in_words(body, message, service):
    status, answer = service.send("/predict", body)
    assert status == 422
    assert message in answer
    assert SECRET not in answer


def test_a_wrong_request_is_refused_alone_and_never_with_its_batch(service, folders):
    expected = [one["label"] for one in api.predict(folders["gru"], TEXTS)]

    def ask(number: int) -> bool:
        if number % 3 == 0:
            return service.send("/predict", WRONG[number % len(WRONG)][0])[0] == 422
        status, answer = service.send("/predict", {"text": TEXTS[number % len(TEXTS)]})
        return (status, answer["label"]) == (200, expected[number % len(TEXTS)])

    with ThreadPoolExecutor(16) as clients:
        assert all(clients.map(ask, range(240)))


def test_other_paths_methods_and_sizes(service):
    assert service.send("/predict", b'{"text": "' + b"a" * (10 * 2**20) + b'"}')[0] == 413
    assert service.send("/other", {"text": "a"})[0] == 404
    # Nothing is answered by nothing: the server in front of the workers does that itself.
    assert service.send("/predict", b"") == (200, "no data provided")
    assert service.send("/predict", method="GET")[0] in (404, 405)
    assert service.send("/", method="GET")[0] == 200
    status, page = service.send("/metrics", method="GET")
    assert status == 200
    assert 'sentiment_hf_throughput_total{code="200",endpoint="/predict"}' in page
    assert service.send("/openapi/swagger/", method="GET")[0] == 200
    types = service.send("/openapi/metadata.json", method="GET")[1]
    assert {"Request", "Answer"} <= set(types["components"]["schemas"])


def test_a_worker_that_is_killed_comes_back_and_the_other_answers_meanwhile(service):
    before = {child.pid for child in service.children()}
    victim = service.children()[0].pid
    os.kill(victim, signal.SIGKILL)
    with ThreadPoolExecutor(4) as clients:
        statuses = list(clients.map(lambda _: service.send("/predict", {"text": "good"})[0], range(40)))
    # A request that the killed one was working on is lost, and says so.
    assert statuses.count(200) >= 36
    service.wait(lambda: len({child.pid for child in service.children()} - {victim}) == len(before))


def test_no_text_is_in_what_it_prints(service):
    assert service.send("/predict", {"text": SECRET})[0] == 200
    assert SECRET not in service.log.read_text()
    assert "x" * 100 not in service.log.read_text()


ANSWER = """
import json, sys
from sentiment_hf.serving.served import Served
given = {"revision": "main", "trust_remote_code": False, "batch_size": 2, "threads": 1}
answers = Served.of_settings({"model": sys.argv[1], **given}).answers(json.load(sys.stdin))
print(json.dumps({"answers": [answer.scores for answer in answers], "modules": [*sys.modules]}))
"""


def test_a_worker_with_an_exported_model_answers_alike_and_imports_nothing_to_train_with(folders, tmp_path):
    command = [sys.executable, "-c", ANSWER, str(folders["gru-onnx"])]
    where = environment() | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(command, input=json.dumps(TEXTS), env=where, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    for scores, expected in zip(said["answers"], api.predict(folders["gru"], TEXTS), strict=True):
        assert scores == pytest.approx(expected["scores"], abs=1e-4)
    assert not TO_TRAIN & {*said["modules"]}
    assert "onnxruntime" in said["modules"]
    # ONNX Runtime would keep there what it tells its makers.
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_it_ends_with_what_it_has_begun(folders, tmp_path):
    running = Service(folders["bayes"], tmp_path)
    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(running.send, "/predict", {"texts": ["good soup " * 3000] * 20}) for _ in range(8)]
        time.sleep(0.3)
        assert running.end() == 0
        statuses = [one.result()[0] for one in asked]
    assert set(statuses) <= {200, 503}
    assert 200 in statuses


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["none"], "none"),
        (["custom-lstm"], "is a new model, which is not trained"),
        (["{gru}", "--port", "0"], "--port 0 must be at least 1"),
        (["{gru}", "--port", "70000"], "--port 70000 must be at most 65535"),
        (["{gru}", "--workers", "0"], "--workers 0 must be at least 1"),
        (["{gru}", "--port", "{taken}"], "choose another"),
        (["{empty}"], "no config.json"),
    ],
)
def test_what_cannot_be_served_is_refused_before_it_begins(flags, message, folders, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        known = {"gru": folders["gru"], "taken": taken.getsockname()[1], "empty": tmp_path / "empty"}
        assert serve_command([word.format(**known) for word in flags]) == 2
    assert message in capsys.readouterr().err
