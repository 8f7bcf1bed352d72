"""The command audit: what may be wrong with the rows of a data set, as a page and a table to review."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.command import command_line
from sentiment_hf.common.errors import FlagParser, InputError
from sentiment_hf.common.layout import AUDIT_CSV, AUDIT_HTML, AUDIT_JSON
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.flags import flags_of
from sentiment_hf.settings.ranges import Range, check_range
from sentiment_hf.settings.run_flags import parse_run

if TYPE_CHECKING:
    from sentiment_hf.auditing.audit import Audit

FOLDS = Range(2, 100)
# Flags of the data that an audit has no use for: it reads labelled texts.
UNUSED = {"unlabelled_file", "max_unlabelled_samples", "predict_unlabelled"}


def make_parser() -> argparse.ArgumentParser:
    """The flags of the audit itself; those of the data are those of `run`."""
    parser = FlagParser(
        prog="sentiment-hf audit",
        description="Likely label errors, copies and near duplicates, leaks between parts, odd texts and languages. "
        "The data are named as in `run`: --dataset, --train_file, ...; `sentiment-hf run --help all` lists them.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--output_dir", type=Path, help="Folder of audit.html, audit.csv and audit.json. Default: out/<data>/audit."
    )
    parser.add_argument(
        "--folds", type=int, default=5, help="Parts of train, of which each is judged by a model of the others."
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="Replace an audit in the output folder, with the marks in its table."
    )
    return parser


def parse_audit(argv: Sequence[str]) -> tuple[argparse.Namespace, DataArguments]:
    """(the flags of the audit, those of the data); raises InputError for wrong ones."""
    args, rest = make_parser().parse_known_args(argv)
    check_range("folds", args.folds, FOLDS)
    if args.output_dir is not None and args.output_dir.exists() and not args.output_dir.is_dir():
        raise InputError(f"--output_dir {args.output_dir} is a file; expected a folder")
    known = {option for flag in flags_of(DataArguments) if flag.name not in UNUSED for option in flag.options}
    if unknown := [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]:
        raise InputError(
            f"{unknown[0]}: an audit has no such flag; it takes those of the data in `run`, and --output_dir, --folds "
            "and --overwrite"
        )
    # The model is the cheapest that `run` knows, and is not made: `run` checks the flags of the data.
    return args, parse_run(["--model", "custom-ngram", *rest]).data


def audit_main(argv: Sequence[str]) -> None:
    """Audit the data that the flags name, write the three files and print what was found.

    Raises InputError: wrong flags or data, a package is missing, or the folder has an audit.
    """
    args, data = parse_audit(argv)
    if args.output_dir is not None:
        refuse_old_audit(args.output_dir, args.overwrite)
    # Imported after the flags are accepted, because these import scikit-learn and `datasets`.
    from sentiment_hf.auditing.page import require_packages

    require_packages()
    import datasets

    from sentiment_hf.auditing.audit import audit
    from sentiment_hf.data.splits import load_with_places

    datasets.disable_progress_bars()
    splits, places = load_with_places(data)
    folder = args.output_dir or Path("out", splits.name, "audit")
    refuse_old_audit(folder, args.overwrite)
    found = replace(audit(splits, places, args.folds, data.split_seed), no_texts=data.no_texts)
    write(found, folder, argv)
    print(summary(found, folder))


def refuse_old_audit(folder: Path, overwrite: bool) -> None:
    """Raise InputError if the folder has an audit, whose table may hold hours of marks."""
    if (folder / AUDIT_CSV).exists() and not overwrite:
        raise InputError(
            f"{folder / AUDIT_CSV} is there already, perhaps with your marks; choose another --output_dir, or give "
            "--overwrite"
        )


def write(found: "Audit", folder: Path, argv: Sequence[str]) -> None:
    """Write the page, the figures, and the table last."""
    from sentiment_hf.auditing.page import figures, page_of
    from sentiment_hf.auditing.table import write_table
    from sentiment_hf.common.files import write_json, write_text

    folder.mkdir(parents=True, exist_ok=True)
    table = folder / AUDIT_CSV
    write_text(folder / AUDIT_HTML, page_of(found, next_command(argv, table), str(table)))
    write_json(folder / AUDIT_JSON, {"command": command_line("audit", argv)} | figures(found))
    write_table(found, table)


def next_command(argv: Sequence[str], table: Path) -> str:
    """The command that trains on the reviewed data."""
    _, rest = make_parser().parse_known_args(argv)
    return shlex.join(["sentiment-hf", "run", "--model", "custom-lstm", *rest, "--reviewed", str(table)])


def summary(found: "Audit", folder: Path) -> str:
    """What was found, as lines of the terminal, and where it lies."""
    from sentiment_hf.auditing.page import answers

    lines = []
    for kind in found.problems:
        counts = found.counted(kind)
        if sum(counts.values()):
            lines.append((kind, ", ".join(f"{count:,} in {part}" for part, count in counts.items() if count)))
    width = max((len(kind) for kind, _ in lines), default=0)
    shown = [f"{kind:<{width}}  {said}" for kind, said in lines]
    files = f"written to {folder / AUDIT_HTML}; mark rows in {folder / AUDIT_CSV}, then run with --reviewed"
    return "\n".join([*shown, *([""] if shown else []), *answers(found), "", files])
