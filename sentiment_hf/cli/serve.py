"""The command serve: a finished model as a service that answers over HTTP."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.common.cores import available_cores
from sentiment_hf.common.errors import FlagParser, extra_explained
from sentiment_hf.common.ports import require_port
from sentiment_hf.settings.model_ref import ModelRef


def serve_main(argv: Sequence[str]) -> None:
    """Serve a model until a signal comes; raises InputError if it cannot be loaded or the port is taken."""
    args = parse_serve(argv)
    trust = {"revision": args.model_revision, "trust_remote_code": args.trust_remote_code}
    ModelRef.parse(args.folder, flag="FOLDER", **trust)
    # Imported after the flags are accepted, because they import msgspec.
    with extra_explained("serve"):
        from sentiment_hf.serving.served import Settings
        from sentiment_hf.serving.server import Service, serve
    folder = str(Path(args.folder).resolve()) if os.path.isdir(args.folder) else args.folder
    threads = max(1, available_cores() // args.workers)
    settings = Settings(
        folder, args.model_revision, args.trust_remote_code, args.max_batch_size, threads, args.abstain
    )
    batches = (args.max_batch_size, args.max_wait_ms, args.capacity, args.timeout_ms)
    serve(settings, Service(args.host, args.port, args.workers, *batches))


def parse_serve(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of serve; raises InputError for wrong ones."""
    parser = make_parser()
    args = parser.parse_args(argv)
    for name in ("workers", "max_batch_size", "max_wait_ms", "capacity", "timeout_ms"):
        if (value := getattr(args, name)) < 1:
            parser.error(f"--{name} {value} must be at least 1")
    require_port(args.port)
    return args


def make_parser() -> FlagParser:
    """The parser of the flags of serve."""
    parser = FlagParser(prog="sentiment-hf serve", description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", help="folder with a trained model or its export, or a Hub id")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 is open to the network")
    parser.add_argument("--port", type=int, default=8000, help="port to listen at")
    parser.add_argument("--workers", type=int, default=1, help="processes with a model each, which share the cores")
    parser.add_argument("--max_batch_size", type=int, default=16, help="most requests that are classified together")
    parser.add_argument("--max_wait_ms", type=int, default=5, help="how long the first of a batch waits for others")
    parser.add_argument("--capacity", type=int, default=1024, help="requests that may wait; further ones get 429")
    parser.add_argument("--timeout_ms", type=int, default=30_000, help="longest wait of a client, who then gets 408")
    parser.add_argument(
        "--abstain",
        type=float,
        metavar="CERTAINTY",
        help="add to answers the set of classes that holds the right one with this certainty, as 0.95",
    )
    parser.add_argument("--model_revision", default="main", help="branch, tag or commit of a model of the Hub")
    parser.add_argument("--trust_remote_code", action="store_true", help="run the code that comes with the model")
    return parser
