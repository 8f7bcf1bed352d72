"""The command demo: a page on this machine to try models out."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sentiment_hf.common.errors import FlagParser, InputError, extra_explained
from sentiment_hf.common.ports import require_free_port, require_port
from sentiment_hf.settings.model_ref import ModelRef


def demo_main(argv: Sequence[str]) -> None:
    """Show the page until a signal comes, then end this process with exit code 0, whatever is being classified.

    Raises InputError if a model cannot be loaded or the port is taken.
    """
    args = parse_demo(argv)
    trust = {"revision": args.model_revision, "trust_remote_code": args.trust_remote_code}
    refs = [ModelRef.parse(folder, flag="FOLDER", **trust) for folder in args.folders]
    names = names_of(refs)
    require_free_port(args.host, args.port)
    with TemporaryDirectory(prefix="sentiment-hf-demo-") as folder:
        # Where gradio, from its import on, keeps files until they are old enough to be deleted.
        os.environ["GRADIO_TEMP_DIR"] = folder
        with extra_explained("demo"):
            # Before gradio, which it tells to report nothing.
            import sentiment_hf.demo.app  # noqa: F401
        # Imported after the flags are accepted, because it imports torch.
        from sentiment_hf.demo.examples import example_texts
        from sentiment_hf.demo.server import page_of, serve
        from sentiment_hf.demo.words import load_shown

        examples = example_texts(args.dataset)
        models = [load_shown(name, ref) for name, ref in zip(names, refs, strict=True)]
        serve(page_of(models, examples, Path(folder)), args.host, args.port)
    # Not by the end of Python, which aborts if a thread still classifies.
    sys.stdout.flush()
    os._exit(0)


def names_of(refs: Sequence[ModelRef]) -> list[str]:
    """A name for each model: the last part of its path or, if two would have the same, all of it.

    Raises:
        InputError: a model is given twice.
    """
    names = [ref.name for ref in refs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"FOLDER {twice[0]} is given twice")
    short = [ref.short_name for ref in refs]
    return names if len(set(short)) < len(short) else short


def parse_demo(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of demo; raises InputError for wrong ones."""
    args = make_parser().parse_args(argv)
    require_port(args.port)
    return args


def make_parser() -> FlagParser:
    """The parser of the flags of demo."""
    parser = FlagParser(prog="sentiment-hf demo", description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="folders with trained models, or Hub ids")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 is open to the network")
    parser.add_argument("--port", type=int, default=7860, help="port to listen at")
    parser.add_argument("--dataset", default="sample", help="as in run: whose first short texts are the examples")
    parser.add_argument("--model_revision", default="main", help="branch, tag or commit of models of the Hub")
    parser.add_argument("--trust_remote_code", action="store_true", help="run the code that comes with a model")
    return parser
