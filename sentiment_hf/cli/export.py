"""The command export: a finished model as an ONNX graph, for services without torch."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.characters import require_utf8_name
from sentiment_hf.common.errors import FlagParser, extra_explained
from sentiment_hf.settings.model_ref import ModelRef

if TYPE_CHECKING:
    from sentiment_hf.exporting.export import Exported


def export_main(argv: Sequence[str]) -> None:
    """Export a model and say how large it is, how far its logits are from the model's, and what it scores.

    Raises InputError if the flags are wrong or the model cannot be exported.
    """
    args = parse_export(argv)
    print(summary(export_parsed(args), args.folder))


def parse_export(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of export; raises InputError for wrong ones."""
    args = make_parser().parse_args(argv)
    require_utf8_name(args.output_dir or "", "--output_dir")
    return args


def export_parsed(args: argparse.Namespace) -> "Exported":
    """Export as the flags say; raises InputError if the model cannot be exported."""
    ref = ModelRef.parse(
        args.folder, flag="FOLDER", revision=args.model_revision, trust_remote_code=args.trust_remote_code
    )
    with extra_explained("onnx"):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    # Imported after the flags are accepted, because it imports torch.
    from sentiment_hf.exporting.export import export

    output = Path(args.output_dir) if args.output_dir else default_folder(ref, args.int8)
    return export(ref, output, args.int8, args.overwrite)


def default_folder(ref: ModelRef, int8: bool) -> Path:
    """The folder beside that of the run: custom-lstm-onnx, or custom-lstm-onnx-int8. Of a Hub id in this folder."""
    home = ref.folder.resolve() if ref.folder else Path(ref.short_name)
    return home.with_name(f"{home.name}-onnx{'-int8' if int8 else ''}")


def summary(found: "Exported", source: str) -> str:
    """What was exported, in lines."""
    before = f", the run's {found.bytes_before / 2**20:,.1f}" if found.bytes_before else ""
    lines = [
        ("graph", f"{found.bytes / 2**20:,.1f} MiB with its tokenizer{before}"),
        ("logits", f"at most {found.difference:.1g} from those of the model, before any weight became an integer"),
    ]
    if found.report:
        task = found.report.as_task()
        for part, lost in found.cost.by_part.items():
            less = (
                f"{task.ranking.distance(lost)} {'less' if lost > 0 else 'more'} than the run"
                if lost
                else "as the run"
            )
            lines.append((part, f"{task.summary(getattr(found.report, part))}: {less}"))
    shown = "\n".join(f"{name:<12} {value}" for name, value in lines)
    folder = found.folder
    commands = [f"  sentiment-hf predict {folder} 'A text.'"]
    commands += [f"  sentiment-hf compare {source} {folder}"] if found.report else []
    return "\n".join([shown, "", f"All of it lies in {folder}. Next:", *commands])


def make_parser() -> FlagParser:
    """The parser of the flags of export."""
    parser = FlagParser(prog="sentiment-hf export", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "folder", help="output folder of a finished run, a checkpoint, an adapter, an ensemble, or a Hub id"
    )
    parser.add_argument("--format", choices=("onnx",), default="onnx", help="onnx, the only one there is")
    parser.add_argument(
        "--int8", action="store_true", help="8-bit weights: a quarter of the size, slightly other scores"
    )
    parser.add_argument("--output_dir", help="default: <folder>-onnx, or <folder>-onnx-int8")
    parser.add_argument("--overwrite", action="store_true", help="replace another export in the output folder")
    parser.add_argument("--model_revision", default="main", help="branch, tag or commit of a model of the Hub")
    parser.add_argument("--trust_remote_code", action="store_true", help="run the code that comes with the model")
    return parser
