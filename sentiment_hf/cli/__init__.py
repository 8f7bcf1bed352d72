"""The command line: sentiment-hf COMMAND."""

import atexit
import gc
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence

from sentiment_hf import __version__
from sentiment_hf.common.characters import printable
from sentiment_hf.common.errors import InputError, Interrupted, NotPushedError, TrainingError, one_line

# `signal.SIGPIPE` does not exist on Windows.
SIGPIPE = 13

USAGE = """usage: sentiment-hf COMMAND [FLAGS]

  run       train, validate and test a model      sentiment-hf run --model custom-lstm --dataset sample
  pretrain  learn words of texts without labels   sentiment-hf pretrain --model custom-lstm --text_file texts.csv ...
  distill   train by what another model says      sentiment-hf distill --teacher out/bert --model custom-ngram ...
  choose    say which model to take, and why      sentiment-hf choose --train_file reviews.csv --minutes 30
  tune      search the settings of a model        sentiment-hf tune --model custom-gru --trials 20 --dataset sample
  compare   train several, put them side by side  sentiment-hf compare --models custom-fc custom-lstm --dataset sample
  audit     what may be wrong with the data       sentiment-hf audit --train_file reviews.csv
  ensemble  make one classifier of several runs   sentiment-hf ensemble out/sample/custom-fc out/sample/custom-lstm
  predict   classify texts with a trained model   sentiment-hf predict out/sample/custom-lstm "A fine film."
  explain   which words speak for and against     sentiment-hf explain out/sample/custom-lstm "A fine film."
  robustness  what typos and the like change      sentiment-hf robustness out/sample/custom-lstm out/sample/custom-fc
  export    write a model as an ONNX graph        sentiment-hf export out/sample/custom-lstm --int8
  serve     answer over HTTP with a model         sentiment-hf serve out/sample/custom-lstm --port 8000
  demo      try models out on a page              sentiment-hf demo out/sample/custom-lstm out/sample/custom-fc
  push      put a finished run on the Hub         sentiment-hf push out/sample/custom-lstm --hub_model_id me/my-lstm
  list      show the custom models, the baselines and the recipes

sentiment-hf COMMAND --help lists its flags."""


def main() -> None:
    """Run the command that `sys.argv` names, and exit; the entry point of `sentiment-hf`."""
    commands = {
        "run": run_command,
        "pretrain": pretrain_command,
        "distill": distill_command,
        "choose": choose_command,
        "tune": tune_command,
        "compare": compare_command,
        "audit": audit_command,
        "ensemble": ensemble_command,
        "predict": predict_command,
        "explain": explain_command,
        "robustness": robustness_command,
        "export": export_command,
        "serve": serve_command,
        "demo": demo_command,
        "push": push_command,
        "list": list_command,
    }
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h"):
        print(USAGE)
    elif name == "--version":
        print(__version__)
    elif name in commands:
        sys.exit(commands[name](sys.argv[2:]))
    else:
        print(f"{USAGE}\n\nerror: no command is called {name!r}", file=sys.stderr)
        sys.exit(2)


def run_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf run` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.run import run_main

        run_main(argv)

    return exit_code_of(work)


def pretrain_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf pretrain` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.pretrain import pretrain_main

        pretrain_main(argv)

    return exit_code_of(work)


def distill_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf distill` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.distill import distill_main

        distill_main(argv)

    return exit_code_of(work)


def choose_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf choose` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.choose import choose_main

        choose_main(argv)

    return exit_code_of(work)


def tune_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf tune` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.tune import tune_main

        tune_main(argv)

    return exit_code_of(work)


def compare_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf compare` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.compare import compare_main

        compare_main(argv)

    return exit_code_of(work)


def audit_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf audit` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.audit import audit_main

        audit_main(argv)

    return exit_code_of(work)


def predict_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf predict` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.predict import predict_main

        predict_main(argv)

    return exit_code_of(work)


def ensemble_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf ensemble` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.ensemble import ensemble_main

        ensemble_main(argv)

    return exit_code_of(work)


def explain_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf explain` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.explain import explain_main

        explain_main(argv)

    return exit_code_of(work)


def robustness_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf robustness` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.robustness import robustness_main

        robustness_main(argv)

    return exit_code_of(work)


def export_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf export` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.export import export_main

        export_main(argv)

    return exit_code_of(work)


def serve_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf serve` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.serve import serve_main

        serve_main(argv)

    return exit_code_of(work)


def demo_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf demo` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.demo import demo_main

        demo_main(argv)

    return exit_code_of(work)


def push_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf push` with these flags; returns the exit code."""

    def work():
        from sentiment_hf.cli.push import push_main

        push_main(argv)

    return exit_code_of(work)


def list_command(argv: Sequence[str]) -> int:
    """Run `sentiment-hf list`; returns the exit code."""

    def work():
        from sentiment_hf.cli.list import list_main

        list_main(argv)

    return exit_code_of(work)


def collect_garbage_less_often() -> None:
    """Let Python look for garbage less often, and not at the exit.

    The imports of torch and transformers make a million objects that stay. To look through them again and again takes
    a third of the imports' time, and most of the time between the last output and the end of the process.
    """
    gc.set_threshold(50_000, 20, 20)
    atexit.register(gc.freeze)


def wait_shortly() -> None:
    """Let the threads of OpenMP sleep soon when they wait for each other, unless the user has said how they wait.

    On Linux they watch a variable for milliseconds, on a core that another program may need to let the awaited thread
    go on. A step of `custom-lstm` took 18.7 s instead of 0.25 beside two busy programs, and as long as before alone.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        # What the library itself takes if it has started more threads than there are cores.
        os.environ["GOMP_SPINCOUNT"] = "1000"


class NoteFormatter(logging.Formatter):
    """Notes of this package in one line, as errors are; those of libraries as they are."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a note."""
        text = super().format(record)
        return one_line(text) if record.name.startswith(__package__.split(".")[0]) and not record.exc_info else text


def said_once(record: logging.LogRecord) -> bool:
    """Whether this process says a note: of several on a machine or more the first, since all of them know the same."""
    return os.environ.get("RANK", "0") == "0" or record.levelno > logging.WARNING


def exit_code_of(work: Callable[[], None]) -> int:
    """Call `work`, and print an error that ends it in one line, without a traceback.

    Returns 0 if `work` is done, 2 after InputError, 3 after TrainingError, 4 after NotPushedError, 128 + signal after
    an interruption.
    """
    collect_garbage_less_often()
    wait_shortly()
    notes = logging.StreamHandler()
    notes.setFormatter(NoteFormatter("%(message)s"))
    notes.addFilter(said_once)
    logging.basicConfig(level=logging.WARNING, handlers=[notes])
    # A character that the terminal cannot show is escaped; it must not end the command.
    # The standard output of a notebook is no TextIOWrapper, and shows every character.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        work()
    except InputError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    except TrainingError as error:
        print(f"training failed: {printable(str(error))}", file=sys.stderr)
        return 3
    except NotPushedError as error:
        print(error, file=sys.stderr)
        return 4
    except Interrupted as error:
        print(error, file=sys.stderr)
        return 128 + error.signum
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has closed it. Without this, Python reports an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + SIGPIPE
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint, if there is one", file=sys.stderr)
        return 130
    return 0
