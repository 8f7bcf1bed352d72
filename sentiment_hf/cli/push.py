"""The command push: push a finished run to the Hub."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.common.errors import FlagParser
from sentiment_hf.settings.flags import yes_or_no
from sentiment_hf.settings.model_ref import ModelRef

# Hexadecimal digits of the hash of a commit.
COMMIT_LENGTH = 40


def push_main(argv: Sequence[str]) -> None:
    """Push a finished run, or list its files with --dry_run; raises InputError and NotPushedError as `push`."""
    args = parse_push(argv)
    if args.dry_run:
        print_pushed_files(args)
        return
    for address in push_parsed(args):
        print(f"pushed to {address}")


def push_parsed(args: argparse.Namespace) -> list[str]:
    """Push as the flags say; returns the addresses of the model and, with --space, of the Space.

    Raises InputError and NotPushedError as `push` and `push_space`.
    """
    from sentiment_hf.hub.refusals import finished_model, require_token

    require_token()
    folder = Path(args.folder)
    if args.space:
        refuse_space(finished_model(folder))
    from sentiment_hf.hub.push import Destination, push, push_space

    to = Destination(
        args.hub_model_id, args.hub_private_repo, args.license, args.base_model, args.overwrite_card, args.space
    )
    pushed = push(folder, to)
    if not args.space:
        return [pushed.address]
    return [pushed.address, push_space(folder, page_files(folder, pushed.repo_id, pushed.commit, pushed.files), to)]


def refuse_space(ref: ModelRef) -> None:
    """Raise InputError if a Space cannot load the model."""
    # Imported for --space only, as below.
    from sentiment_hf.demo.space import require_space

    require_space(ref)


def page_files(folder: Path, model: str, commit: str, files: Sequence[str]) -> dict[str, str]:
    """{name: content} of the files of the Space."""
    from sentiment_hf.demo.examples import example_texts
    from sentiment_hf.demo.space import space_files
    from sentiment_hf.hub.refusals import finished_model

    return space_files(finished_model(folder), model, commit, files, example_texts("sample"))


def print_pushed_files(args: argparse.Namespace) -> None:
    """Print size and name of each file that would be pushed; raises InputError as `push`."""
    from sentiment_hf.hub.refusals import finished_model, refuse_local_base

    folder = Path(args.folder)
    ref = finished_model(folder)
    refuse_local_base(ref, args.base_model)
    if args.space:
        refuse_space(ref)
    # Imported after the folder is accepted, because it imports transformers.
    from sentiment_hf.hub.pushed_files import pushed_files

    files = pushed_files(ref)
    print_sizes({name: (folder / name).stat().st_size for name in files}, args.hub_model_id)
    if args.space:
        page = page_files(folder, args.hub_model_id, "0" * COMMIT_LENGTH, files)
        print_sizes({name: len(text.encode()) for name, text in page.items()}, f"the Space {args.space}")


def print_sizes(sizes: dict[str, int], where: str) -> None:
    """Print {name: bytes} and their sum."""
    print("\n".join(f"{size:>13,}  {name}" for name, size in sizes.items()))
    print(f"{sum(sizes.values()):>13,}  bytes in {len(sizes)} files would go to {where}; nothing was sent")


def parse_push(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of push; raises InputError for wrong ones."""
    parser = make_parser()
    args = parser.parse_args(argv)
    args.hub_model_id = args.hub_model_id or args.space
    if not args.hub_model_id:
        parser.error("--hub_model_id is missing: where the model is to go")
    # Imported after the flags are parsed, because it imports huggingface_hub.
    from sentiment_hf.hub.refusals import require_repo_id

    for flag in ("hub_model_id", "space", "base_model"):
        if name := getattr(args, flag):
            require_repo_id(name, f"--{flag}")
    return args


def make_parser() -> FlagParser:
    """The parser of the flags of push."""
    parser = FlagParser(prog="sentiment-hf push", description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", help="output folder of a finished run")
    parser.add_argument("--hub_model_id", help="where to: me/custom-lstm-imdb. Default: the name of --space")
    parser.add_argument("--space", help="make a Space of this name, too: a page to try the model out, me/my-demo")
    switch = {"type": yes_or_no, "nargs": "?", "const": True, "default": False}
    parser.add_argument("--hub_private_repo", **switch, help="seen by its owner only")
    parser.add_argument("--license", help="identifier of the Hub for the card: apache-2.0, mit, cc-by-4.0, ...")
    parser.add_argument("--base_model", help="Hub id of the model under an adapter that was trained on a folder")
    parser.add_argument(
        "--overwrite_card", **switch, help="replace the card, and files of the Space, even if they were edited there"
    )
    parser.add_argument("--dry_run", action="store_true", help="list the files that would go, and send nothing")
    return parser
