"""The command predict: labels and probabilities of texts from the command line, a file or standard input."""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.characters import SURROGATE, printable
from sentiment_hf.common.errors import FlagParser, InputError
from sentiment_hf.common.redaction import NAMES_LEFT, counts_in_words, redacted_texts
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.csv_settings import CsvSettings
from sentiment_hf.settings.model_ref import ModelRef

# The suffixes of --output.
OUTPUTS = (".csv", ".jsonl", ".parquet")

if TYPE_CHECKING:
    from sentiment_hf.inference.abstain import Abstention
    from sentiment_hf.inference.scorer import Scorer
    from sentiment_hf.inference.unlike import Unlike


def parse_predict(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of predict; raises InputError for wrong ones."""
    parser = make_parser()
    args = parser.parse_intermixed_args(argv)
    require_consistent_flags(args, parser)
    return args


def make_parser() -> FlagParser:
    """The parser of the flags of predict."""
    parser = FlagParser(prog="sentiment-hf predict", description=__doc__, allow_abbrev=False)
    parser.add_argument("model", help="folder with a trained model, or a Hub id")
    parser.add_argument("texts", nargs="*", help="texts to classify; without any, lines from standard input")
    parser.add_argument(
        "--file", help="csv, tsv, json, jsonl or parquet with a text column, or txt with texts as lines"
    )
    parser.add_argument("--output", help="csv, jsonl or parquet: the rows of --file with label and probabilities")
    parser.add_argument(
        "--csv_raw",
        action="store_true",
        help="no apostrophe before what a spreadsheet takes for a formula",
    )
    parser.add_argument(
        "--max_data_bytes",
        type=int,
        default=DataArguments.max_data_bytes,
        help="what --file may unpack to, if that is more than 50 times its size",
    )
    parser.add_argument("--cache_dir", help="as in run: where the rows of large files lie")
    parser.add_argument("--no_cache", action="store_true", help="read a large file into memory, and leave nothing")
    parser.add_argument(
        "--redact",
        action="store_true",
        help="as in run: replace e-mail addresses, phone numbers and the like before texts are classified, printed or "
        "written. Default: as in training",
    )
    parser.add_argument("--csv_delimiter", help="as in run: a character, or tab, comma, semicolon or pipe")
    parser.add_argument("--csv_quote", help="as in run: a character, or none if quotes belong to the texts")
    parser.add_argument("--text_column_names", help="text columns of --file. Default: those of training")
    parser.add_argument("--text_column_delimiter", help="text between several text columns. Default: that of training")
    parser.add_argument(
        "--batch_size",
        type=int,
        default=64,
        help="texts at a time, on a CPU fewer if they are long; 1 answers each line of a pipe as it comes",
    )
    parser.add_argument(
        "--abstain",
        type=float,
        metavar="CERTAINTY",
        help="add the set of classes that holds the right one with this certainty, as 0.95, and whether the model "
        "abstains because they are not exactly one; of a regression an interval",
    )
    parser.add_argument(
        "--abstain_per_class", action="store_true", help="with --abstain: that certainty for the texts of each class"
    )
    parser.add_argument(
        "--flag_unlike",
        action="store_true",
        help="add what is unusual about a text beside those on which the model was validated: its length, unknown "
        "words, another language",
    )
    parser.add_argument("--model_revision", default="main", help="branch, tag or commit of a model of the Hub")
    parser.add_argument("--trust_remote_code", action="store_true", help="run the code that comes with the model")
    return parser


def require_consistent_flags(args: argparse.Namespace, parser: FlagParser) -> None:
    """Raise InputError for flags that contradict each other and for impossible values."""
    if args.file and args.texts:
        parser.error("give texts or --file, not both")
    if any(SURROGATE.search(text) for text in args.texts):
        parser.error("a text of the command line is not UTF-8")
    if args.output and not args.file:
        parser.error("--output writes the rows of --file, which is not given")
    if args.output and (Path(args.output).suffix.lower() not in OUTPUTS or Path(args.output).is_dir()):
        parser.error(f"--output {args.output}: expected the name of a {', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]} file")
    if args.output and not Path(args.output).absolute().parent.is_dir():
        parser.error(f"--output {args.output}: there is no such folder")
    if args.output and Path(args.output).resolve() == Path(args.file).resolve():
        parser.error(f"--output {args.output} is --file itself, which stays as it is; choose another name")
    CsvSettings.parse(args.csv_delimiter, args.csv_quote)
    if args.abstain_per_class and args.abstain is None:
        parser.error("--abstain_per_class says how --abstain is meant, which is not given")
    if args.batch_size < 1:
        parser.error(f"--batch_size {args.batch_size} must be at least 1")


def predict_main(argv: Sequence[str]) -> None:
    """Print label, probabilities and text, one line per text; or classify the rows of --file.

    Raises InputError if the flags are wrong, or the model or a text cannot be read.
    """
    args = parse_predict(argv)
    ref = ModelRef.parse(
        args.model, flag="MODEL", revision=args.model_revision, trust_remote_code=args.trust_remote_code
    )
    if args.file and not Path(args.file).exists():
        raise InputError(f"--file {args.file}: there is no such file.")
    # Imported after the flags are accepted, because it imports numpy, and torch for models that need it.
    from sentiment_hf.inference.scorer import load_scorer

    scorer, extras = load_scorer(ref), []
    if args.abstain is not None:
        from sentiment_hf.inference.abstain import load_abstention

        extras.append(load_abstention(ref, scorer, args.abstain, args.abstain_per_class))
    if args.flag_unlike:
        from sentiment_hf.inference.unlike import load_unlike

        extras.append(load_unlike(ref))
    if args.file:
        predict_table_file(args, scorer, extras)
        return
    if names := scorer.extra_column_names:
        print(
            f"the model was trained with the columns {', '.join(names)}, which a text alone lacks: they count as "
            "missing; --file reads them",
            file=sys.stderr,
        )
    counts, redacts = Counter(), args.redact or scorer.redacts
    for texts in [args.texts] if args.texts else read_standard_input(args.batch_size):
        if redacts:
            texts, found = redacted_texts(texts)
            counts += found
        scored = scorer.classify(texts, args.batch_size)
        added = {name: values for extra in extras for name, values in extra.columns(texts, scored).items()}
        for number, (text, cells) in enumerate(zip(texts, scorer.task.shown(scored), strict=True)):
            more = [f"{name} {'no' if values[number] is None else values[number]}" for name, values in added.items()]
            # Nothing in a text or in the name of a class may break the line or move the cursor of the terminal.
            print("\t".join(map(printable, (*cells, *more, text))), flush=True)
    if redacts:
        print(f"redacted: {counts_in_words(counts)}; {NAMES_LEFT}", file=sys.stderr)


def predict_table_file(args: argparse.Namespace, scorer: "Scorer", extras: "Sequence[Abstention | Unlike]") -> None:
    """Classify the rows of --file and write them to --output or to the standard output."""
    # Imported for --file only, because it imports `datasets`.
    from sentiment_hf.inference.predict_file import TableArguments, predict_file

    table = TableArguments(
        file=Path(args.file),
        output=Path(args.output) if args.output else None,
        csv=CsvSettings.parse(args.csv_delimiter, args.csv_quote),
        csv_raw=args.csv_raw,
        max_data_bytes=args.max_data_bytes,
        cache=Cache.of_flags(args.cache_dir, args.no_cache),
        redact=args.redact,
        text_column_names=args.text_column_names,
        text_column_delimiter=args.text_column_delimiter,
        batch_size=args.batch_size,
    )
    predict_file(table, scorer, extras)


def read_standard_input(batch_size: int) -> Iterator[list[str]]:
    """Yield the lines of standard input in batches of `batch_size`; from a terminal, one by one.

    Raises:
        InputError: there is no standard input, or a line of it is not UTF-8.
    """
    if not isinstance(sys.stdin, io.TextIOWrapper):
        raise InputError("there is no standard input here, as in a notebook: give the texts, or --file")
    lines = decode_lines(sys.stdin.buffer)
    while texts := list(islice(lines, 1 if sys.stdin.isatty() else batch_size)):
        yield texts


def decode_lines(lines: Iterable[bytes]) -> Iterator[str]:
    """Decode lines as UTF-8, independent of the locale, without line ends; raises InputError for other encodings."""
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"standard input, line {number}: not UTF-8 ({error.reason}); convert it, for example by "
                "`iconv -f LATIN1 -t UTF-8`"
            ) from error
