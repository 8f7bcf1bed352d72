"""The Python that tests fork behaves as the one that a user starts; it has the libraries, and nothing of ours."""

import os
import signal
import subprocess
import sys

import pytest
from launching import python

PROGRAMS = {
    "arguments": "import sys; print(sys.argv, sys.path[0])",
    "input": "import sys; print(sys.stdin.read().upper())",
    "number": "import sys; print('said'); sys.exit(7)",
    "message": "import sys; sys.exit('refused')",
    "end of files": "import atexit; atexit.register(print, 'last'); print('first')",
    "bytes": "import sys; sys.stdout.buffer.write(b'\\xff'); print(sys.stdout.isatty())",
    "screen": "import sys; sys.stdout.reconfigure(errors='backslashreplace'); print('\\udcff')",
    "folder": "import os; print(os.getcwd(), os.environ['COLOUR'])",
    "signal": "import os; os.kill(os.getpid(), 9)",
    "hash seed": "import os; print(os.environ['PYTHONHASHSEED'], hash('a'))",
    "main": "import sys, __main__; print(__name__, 'this' in vars(__main__)); this = 1",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_ends_as_if_python_had_been_started_for_it(name, tmp_path):
    commands = python(), sys.executable
    environment = os.environ | {"COLOUR": "blue"} | ({"PYTHONHASHSEED": "3"} if name == "hash seed" else {})
    forked, started = (
        subprocess.run(
            [command, "-c", PROGRAMS[name], "x"], input=b"words", env=environment, cwd=tmp_path, capture_output=True
        )
        for command in commands
    )
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_an_error_is_shown_and_is_exit_code_1():
    done = subprocess.run([python(), "-c", "1 / 0"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_program(signum):
    code = "import signal, sys, time\nsignal.signal(int(sys.argv[1]), lambda *given: sys.exit(5))\n"
    code += "print('ready', flush=True)\nfor _ in range(600): time.sleep(0.1)"
    with subprocess.Popen([python(), "-c", code, str(int(signum))], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signum)
        assert program.wait(30) == 5


def test_the_libraries_are_there_and_nothing_of_ours():
    code = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = set(subprocess.run([python(), "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert {"torch", "transformers", "datasets", "peft"} <= loaded
    assert not {"sentiment_hf", "custom_models"} & loaded


def test_modules_and_scripts_are_found_where_python_finds_them(tmp_path):
    (tmp_path / "aside.py").write_text("import sys; print(__name__, sys.argv[1:])")
    (tmp_path / "script.py").write_text("import aside")
    for words in (["-m", "aside", "x"], [str(tmp_path / "script.py"), "y"]):
        forked, started = (
            subprocess.run([command, *words], cwd=tmp_path, capture_output=True, text=True)
            for command in (python(), sys.executable)
        )
        assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout) == (0, forked.stdout)


@pytest.mark.slow
def test_what_one_test_sets_for_itself_is_not_what_all_others_get(monkeypatch):
    python.cache_clear()
    with monkeypatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "0")
        python()
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    test_the_libraries_are_there_and_nothing_of_ours()
