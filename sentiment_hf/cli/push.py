"""The command push: push a finished run to the Hub."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.common.errors import FlagParser
from sentiment_hf.settings.flags import yes_or_no


def push_main(argv: Sequence[str]) -> None:
    """Push a finished run, or list its files with --dry_run; raises InputError and NotPushedError as `push`."""
    args = parse_push(argv)
    folder = Path(args.folder)
    if args.dry_run:
        print_pushed_files(folder, args.hub_model_id, args.base_model)
        return
    print(f"pushed to {push_parsed(args)}")


def push_parsed(args: argparse.Namespace) -> str:
    """Push as the flags say; returns the address of the model. Raises InputError and NotPushedError as `push`."""
    from sentiment_hf.hub.refusals import require_token

    require_token()
    from sentiment_hf.hub.push import push

    wanted = args.hub_model_id, args.hub_private_repo, args.license, args.base_model, args.overwrite_card
    return push(Path(args.folder), *wanted)


def print_pushed_files(folder: Path, hub_model_id: str, base_model: str | None) -> None:
    """Print size and name of each file that would be pushed; raises InputError as `push`."""
    from sentiment_hf.hub.refusals import finished_model, refuse_local_base

    ref = finished_model(folder)
    refuse_local_base(ref, base_model)
    # Imported after the folder is accepted, because it imports transformers.
    from sentiment_hf.hub.pushed_files import pushed_files

    sizes = {name: (folder / name).stat().st_size for name in pushed_files(ref)}
    summary = f"bytes in {len(sizes)} files would go to {hub_model_id}; nothing was sent"
    print("\n".join(f"{size:>13,}  {name}" for name, size in sizes.items()))
    print(f"{sum(sizes.values()):>13,}  {summary}")


def parse_push(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of push; raises InputError for wrong ones."""
    args = make_parser().parse_args(argv)
    # Imported after the flags are parsed, because it imports huggingface_hub.
    from sentiment_hf.hub.refusals import require_repo_id

    require_repo_id(args.hub_model_id, "--hub_model_id")
    if args.base_model:
        require_repo_id(args.base_model, "--base_model")
    return args


def make_parser() -> FlagParser:
    """The parser of the flags of push."""
    parser = FlagParser(prog="sentiment-hf push", description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", help="output folder of a finished run")
    parser.add_argument("--hub_model_id", required=True, help="where to: me/custom-lstm-imdb")
    switch = {"type": yes_or_no, "nargs": "?", "const": True, "default": False}
    parser.add_argument("--hub_private_repo", **switch, help="seen by its owner only")
    parser.add_argument("--license", help="identifier of the Hub for the card: apache-2.0, mit, cc-by-4.0, ...")
    parser.add_argument("--base_model", help="Hub id of the model under an adapter that was trained on a folder")
    parser.add_argument("--overwrite_card", **switch, help="replace the card on the Hub even if it was edited there")
    parser.add_argument("--dry_run", action="store_true", help="list the files that would go, and send nothing")
    return parser
