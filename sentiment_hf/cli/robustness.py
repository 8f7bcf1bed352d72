"""The command robustness: what typos, upper case, missing punctuation and the like change in what a model says."""

import argparse
import sys
from collections.abc import Sequence

from sentiment_hf.common.errors import FlagParser
from sentiment_hf.settings.model_ref import ModelRef

# Test rows on which a model is measured.
ROWS = 500


def robustness_main(argv: Sequence[str]) -> None:
    """Measure each model on changed test rows of its run, print what is found and keep it in the folder of the model.

    Raises InputError if the flags are wrong, a model cannot be loaded, or its test rows are not there any more.
    """
    args = parse_robustness(argv)
    refs = [ModelRef.parse(name, flag="FOLDER", trust_remote_code=args.trust_remote_code) for name in args.folders]
    # Imported after the flags are accepted, because they import torch.
    from sentiment_hf.common.layout import ROBUSTNESS
    from sentiment_hf.inference.test_part import run_with_rows
    from sentiment_hf.robustness.measure import REMEDY, measure_model
    from sentiment_hf.robustness.shown import lines_of

    for ref in refs:
        run_with_rows(ref, REMEDY)
    for ref in refs:
        found, task = measure_model(ref, args.rows)
        print("\n".join(lines_of(ref.name, found, task)), flush=True)
        print(f"kept in {ref.folder / ROBUSTNESS}", file=sys.stderr)


def parse_robustness(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of robustness; raises InputError for wrong ones."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.rows < 1:
        parser.error(f"--rows {args.rows} must be at least 1")
    return args


def make_parser() -> FlagParser:
    """The parser of the flags of robustness."""
    parser = FlagParser(prog="sentiment-hf robustness", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "folders", nargs="+", metavar="FOLDER", help="folders of finished runs, or of ensembles of them"
    )
    parser.add_argument(
        "--rows", type=int, default=ROWS, help="most test rows that are taken, the same for all models"
    )
    parser.add_argument("--trust_remote_code", action="store_true", help="run the code that comes with the model")
    return parser
