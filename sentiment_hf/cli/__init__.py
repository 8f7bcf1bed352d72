"""The command line: sentiment-hf run | compare | ensemble | predict | push | list; scripts/ call it too."""

import logging
import os
import sys
from collections.abc import Callable, Sequence

from sentiment_hf import __version__
from sentiment_hf.common.errors import InputError, Interrupted, NotPushedError, TrainingError

# A name that `signal` lacks on Windows.
SIGPIPE = 13

USAGE = """usage: sentiment-hf COMMAND [FLAGS]

  run       train, validate and test a model      sentiment-hf run --model custom-lstm --dataset sample
  compare   train several, put them side by side  sentiment-hf compare --models custom-fc custom-lstm --dataset sample
  ensemble  make one classifier of several runs   sentiment-hf ensemble out/sample/custom-fc out/sample/custom-lstm
  predict   classify texts with a trained model   sentiment-hf predict out/sample/custom-lstm "A fine film."
  push      put a finished run on the Hub         sentiment-hf push out/sample/custom-lstm --hub_model_id me/my-lstm
  list      show the custom models, the baselines and the recipes

sentiment-hf COMMAND --help lists its flags."""


def main() -> None:
    """The installed command `sentiment-hf`."""
    commands = {
        "run": run_command,
        "compare": compare_command,
        "ensemble": ensemble_command,
        "predict": predict_command,
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
    """scripts/run.py"""

    def work():
        from sentiment_hf.cli.run import run_main

        run_main(argv)

    return exit_code_of(work)


def compare_command(argv: Sequence[str]) -> int:
    """scripts/compare.py"""

    def work():
        from sentiment_hf.cli.compare import compare_main

        compare_main(argv)

    return exit_code_of(work)


def predict_command(argv: Sequence[str]) -> int:
    """scripts/predict.py"""

    def work():
        from sentiment_hf.cli.predict import predict_main

        predict_main(argv)

    return exit_code_of(work)


def ensemble_command(argv: Sequence[str]) -> int:
    """scripts/ensemble.py"""

    def work():
        from sentiment_hf.cli.ensemble import ensemble_main

        ensemble_main(argv)

    return exit_code_of(work)


def push_command(argv: Sequence[str]) -> int:
    """scripts/push.py"""

    def work():
        from sentiment_hf.cli.push import push_main

        push_main(argv)

    return exit_code_of(work)


def list_command(argv: Sequence[str]) -> int:
    """The names that --model and --config take."""

    def work():
        from sentiment_hf.cli.list import list_main

        list_main(argv)

    return exit_code_of(work)


def exit_code_of(work: Callable[[], None]) -> int:
    """0 done, 2 refused, 3 training failed, 4 not pushed, 128 + signal interrupted; a message and no traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # A screen that cannot show a character is no reason to stop.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        work()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except TrainingError as error:
        print(f"training failed: {error}", file=sys.stderr)
        return 3
    except NotPushedError as error:
        print(error, file=sys.stderr)
        return 4
    except Interrupted as error:
        print(error, file=sys.stderr)
        return 128 + error.signum
    except BrokenPipeError:
        # Whoever read the output, as `head` does, has seen enough; what is left of it goes nowhere, without a word.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + SIGPIPE
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint, if there is one", file=sys.stderr)
        return 130
    return 0
