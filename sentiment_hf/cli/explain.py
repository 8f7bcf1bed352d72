"""The command explain: which words speak for and against what a model says of a text."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.characters import SURROGATE, printable
from sentiment_hf.common.errors import FlagParser, InputError
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.csv_settings import CsvSettings
from sentiment_hf.settings.model_ref import ModelRef

if TYPE_CHECKING:
    from sentiment_hf.explaining.explain import Explainer
    from sentiment_hf.explaining.shown import Explained
    from sentiment_hf.inference.scorer import Inputs

METHODS = ("exact", "integrated-gradients", "coefficients", "deletion")
# Characters of a text above its explanations, if there are several texts.
LINE = 100
# The suffixes of --output.
OUTPUTS = (".html", ".json")


def explain_main(argv: Sequence[str]) -> None:
    """Print which words speak for and against what each model says of each text; write it, too, if asked.

    Raises InputError if the flags are wrong, a model cannot be loaded or a text not be explained.
    """
    args = parse_explain(argv)
    trust = {"revision": args.model_revision, "trust_remote_code": args.trust_remote_code}
    refs = [ModelRef.parse(name, flag="FOLDER", **trust) for name in (args.folder, *args.beside)]
    if args.file and not Path(args.file).exists():
        raise InputError(f"--file {args.file}: there is no such file.")
    if args.measure:
        measure_models(args, refs)
    else:
        explain_texts(args, refs)


def parse_explain(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of explain; raises InputError for wrong ones."""
    parser = make_parser()
    args = parser.parse_intermixed_args(argv)
    require_consistent_flags(args, parser)
    return args


def make_parser() -> FlagParser:
    """The parser of the flags of explain."""
    parser = FlagParser(prog="sentiment-hf explain", description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", help="folder with a trained model, or a Hub id")
    parser.add_argument("texts", nargs="*", help="texts to explain")
    parser.add_argument("--beside", nargs="+", default=[], metavar="FOLDER", help="further models, for the same texts")
    parser.add_argument("--file", help="csv, tsv, json, jsonl or parquet with a text column, in place of texts")
    parser.add_argument("--text_column_names", help="text columns of --file. Default: those of training")
    parser.add_argument("--rows", type=int, default=100, help="most rows of --file, or of test, that are taken")
    parser.add_argument(
        "--method", choices=METHODS, help="how scores are made. Default: the best that applies to the model"
    )
    parser.add_argument("--output", help="html for a page, or json for programs; what is printed, and more")
    parser.add_argument(
        "--overview",
        action="store_true",
        help="the words and n-grams with the most weight in the rows of --file, by default in test rows of the run",
    )
    parser.add_argument(
        "--no_texts",
        action="store_true",
        help="show no place in a text where a word of --overview weighs most. Default: as the run was told",
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="compare the words of a method with random ones on test rows of the run; a method that is not better "
        "is not offered any more",
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
    if (args.overview or args.measure) and args.texts:
        parser.error("--overview and --measure are of many texts; leave the texts of the command line out")
    if args.measure and (args.file or args.overview or args.output):
        parser.error("--measure takes test rows of the run and keeps what it finds in its folder; give it alone")
    if not (args.texts or args.file or args.overview or args.measure):
        parser.error("what is to be explained? Give a text, --file, --overview or --measure")
    if args.no_texts and not args.overview:
        parser.error("--no_texts is for --overview: what explains a text shows it")
    if args.rows < 1:
        parser.error(f"--rows {args.rows} must be at least 1")
    if not args.output:
        return
    output = Path(args.output)
    if output.suffix.lower() not in OUTPUTS or output.is_dir():
        parser.error(f"--output {output}: expected the name of a {' or '.join(OUTPUTS)} file")
    if not output.absolute().parent.is_dir():
        parser.error(f"--output {output}: there is no such folder")
    if args.file and output.resolve() == Path(args.file).resolve():
        parser.error(f"--output {output} is --file itself, which stays as it is; choose another name")


def explain_texts(args: argparse.Namespace, refs: list[ModelRef]) -> None:
    """Explain the texts by each model, print it and write --output."""
    # Imported after the flags are accepted, because they import torch.
    from sentiment_hf.common.files import write_json, write_text
    from sentiment_hf.explaining.page import check_installed, page_of
    from sentiment_hf.explaining.shown import content

    output = Path(args.output) if args.output else None
    is_page = output is not None and output.suffix.lower() == ".html"
    if is_page:
        check_installed()
    found = explained(args, refs)
    show(found)
    if output is None:
        return
    if is_page:
        write_text(output, page_of(found))
    else:
        write_json(output, content(found))
    print(f"written to {output}", file=sys.stderr)


def explained(args: argparse.Namespace, refs: list[ModelRef]) -> "Explained":
    """The explanations by each model, or the overviews."""
    from sentiment_hf.explaining.explain import load_explainer
    from sentiment_hf.explaining.measured import read_measured
    from sentiment_hf.explaining.overview import overview
    from sentiment_hf.explaining.shown import Explained

    explainers = [load_explainer(ref, args.method) for ref in refs]
    measured = [read_measured(ref.folder).get(one.method) for ref, one in zip(refs, explainers, strict=True)]
    rows = [(one, inputs_of(args, ref, one)) for ref, one in zip(refs, explainers, strict=True)]
    if args.overview:
        overviews = [overview(*pair) for pair in rows]
        if args.no_texts or any(is_without_texts(ref) for ref in refs):
            overviews = [one.without_texts() for one in overviews]
        return Explained(explainers, measured, [], overviews)
    return Explained(explainers, measured, [one.explain(inputs) for one, inputs in rows], [])


def is_without_texts(ref: ModelRef) -> bool:
    """Whether the model is of a run that was told to show no texts."""
    from sentiment_hf.runs.origin import report_of

    report = report_of(ref)
    return bool(report and report.no_texts)


def show(found: "Explained") -> None:
    """Print what was found."""
    from sentiment_hf.explaining.shown import overview_lines, text_lines

    for one in found.overviews:
        print("\n".join(overview_lines(one)))
    for number, of_text in enumerate(found.by_text, 1):
        if len(found.by_text) > 1:
            print(f"{number}. {printable(shorten(of_text[0].text))}")
        for pair in zip(found.explainers, of_text, strict=True):
            print("\n".join(text_lines(*pair)))


def shorten(text: str) -> str:
    """The beginning of a text, as long as a line of a terminal."""
    return text if len(text) <= LINE else f"{text[: LINE - 1]}…"


def inputs_of(args: argparse.Namespace, ref: ModelRef, explainer: "Explainer") -> "Inputs":
    """The rows that a model reads: the texts of the command line, those of --file, or test rows of the run."""
    names = explainer.scorer.extra_column_names
    if args.file:
        return file_rows(args, explainer)
    if not args.texts:
        from sentiment_hf.explaining.rows import some_test_rows

        return some_test_rows(ref, explainer.scorer.columns, args.rows)
    if names:
        print(
            f"{ref.name} was trained with the columns {', '.join(names)}, which a text alone lacks: they count as "
            "missing; --file reads them",
            file=sys.stderr,
        )
    return args.texts


def file_rows(args: argparse.Namespace, explainer: "Explainer") -> "Inputs":
    """The first rows of --file, with the columns that the model reads."""
    # Imported for --file only, because it imports `datasets`.
    from sentiment_hf.inference.predict_file import TableArguments, read_table, texts_of

    table_arguments = TableArguments(
        file=Path(args.file),
        output=None,
        csv=CsvSettings.parse(None, None),
        csv_raw=False,
        max_data_bytes=DataArguments.max_data_bytes,
        cache=Cache(),
        text_column_names=args.text_column_names,
        text_column_delimiter=None,
        batch_size=1,
    )
    table = read_table(table_arguments, explainer.scorer)
    rows = explainer.scorer.rows_of(table, texts_of(table, table_arguments, explainer.scorer.reading))
    if len(rows) > args.rows:
        print(f"the first {args.rows:,} of the {len(rows):,} rows of {args.file}; --rows takes more", file=sys.stderr)
    return rows[: args.rows]


def measure_models(args: argparse.Namespace, refs: list[ModelRef]) -> None:
    """Measure how faithful a method is for each model, print it and keep it in the folder of the model."""
    from sentiment_hf.common.layout import FAITHFULNESS
    from sentiment_hf.explaining.faithfulness import measure_model
    from sentiment_hf.explaining.rows import some_test_rows

    for ref in refs:
        found = measure_model(ref, args.method, lambda scorer, ref=ref: some_test_rows(ref, scorer.columns, args.rows))
        for method, one in found.items():
            verdict = "better than random words" if one.is_better_than_random else "not better than random words"
            print(f"{ref.name}  {method}  {verdict}: {one}")
        print(f"kept in {ref.folder / FAITHFULNESS}", file=sys.stderr)
