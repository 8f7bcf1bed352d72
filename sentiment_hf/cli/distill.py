"""The command distill: `run` with a teacher, whose outputs the model learns beside its labels."""

from collections.abc import Sequence

from sentiment_hf.cli.run import run_main
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.run_flags import parse_run


def distill_main(argv: Sequence[str]) -> None:
    """Make one run, which has to have a teacher; raises as `run_main`."""
    if not parse_run(argv).teacher:
        raise InputError("--teacher is missing: the folder of a trained model, a run, a baseline or an ensemble")
    run_main(argv)
