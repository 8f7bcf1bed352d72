"""The command ensemble: one classifier from several finished runs."""

import argparse
from collections.abc import Sequence

from sentiment_hf.common.characters import require_utf8_name
from sentiment_hf.common.errors import FlagParser

METHODS = ("weights", "mean", "vote")


def ensemble_main(argv: Sequence[str]) -> None:
    """Make an ensemble, or show the same ensemble if it exists; prints its scores and members."""
    args = parse_ensemble(argv)
    require_utf8_name(args.output_dir or "", "--output_dir")
    # Imported after the flags are accepted, because these import numpy and pyarrow.
    from sentiment_hf.inference.make_ensemble import make_ensemble
    from sentiment_hf.runs.report import result_table

    report = make_ensemble(args.folders, args.output_dir, args.method, args.overwrite)
    print(f"{result_table(report)}\nmembers, by {report.recipe}:")
    for member in report.members:
        print(f"{member['weight']:6.3f}  {member['name']}")


def parse_ensemble(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of ensemble; raises InputError for wrong ones."""
    return make_parser().parse_intermixed_args(argv)


def make_parser() -> FlagParser:
    """The parser of the flags of ensemble."""
    parser = FlagParser(prog="sentiment-hf ensemble", description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="output folders of finished runs, two or more")
    parser.add_argument("--output_dir", help="default: out/<dataset>/ensemble")
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="weights",
        help="weights: the sum of the logits with weights learned on validation (default); mean: the plain "
        "mean; vote: the class that most members predict, of several the one with the highest mean probability",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another ensemble in the output folder")
    return parser
