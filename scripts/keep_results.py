"""Keep finished runs without their weights: python scripts/keep_results.py results/imdb out/imdb/*"""

import sys
from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.cli import exit_code_of
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import REPORT
from sentiment_hf.runs.published import publish


def main(argv: Sequence[str]) -> None:
    """Add the finished runs among the folders to the published ones; raises InputError if no run is finished."""
    if len(argv) < 2:
        raise InputError("expected where to keep the runs, then their folders, as in results/imdb out/imdb/*")
    to, *folders = map(Path, argv)
    finished = [folder for folder in folders if (folder / REPORT).is_file()]
    for folder in [folder for folder in folders if folder not in finished]:
        print(f"{folder}: no finished run, left out", file=sys.stderr)
    if not finished:
        raise InputError("none of the folders holds a finished run, so nothing is kept")
    publish(to, finished)


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: main(sys.argv[1:])))
