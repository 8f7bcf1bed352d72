"""The command distill: `run` with a teacher, whose outputs the model learns beside its labels."""

from collections.abc import Sequence

from sentiment_hf.cli.run import perform
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.run_flags import parse_run


def distill_main(argv: Sequence[str]) -> None:
    """Make one run with a teacher; raises as `perform`."""
    perform(parse_distill(argv))


def parse_distill(argv: Sequence[str]) -> RunSpec:
    """The settings of the run; raises InputError for wrong flags, or if no teacher is named."""
    spec = parse_run(argv)
    if not spec.teacher:
        raise InputError("--teacher is missing: the folder of a trained model, a run, a baseline or an ensemble")
    return spec
