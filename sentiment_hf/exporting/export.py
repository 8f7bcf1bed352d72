"""Writes a finished model as a folder with an ONNX graph, which predict, compare and push take."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import write_text
from sentiment_hf.common.layout import CONFIG, CONFORMAL, GRAPH, ONNX_FILE, READING, USUAL
from sentiment_hf.common.members import tokenizer_folders
from sentiment_hf.data.splits import Splits
from sentiment_hf.exporting.check import example, require_equal
from sentiment_hf.exporting.graph import TRACED, write_graph
from sentiment_hf.exporting.quantize import quantize
from sentiment_hf.exporting.score import Cost, data_of, measure_missing, score_graph
from sentiment_hf.exporting.source import Source, load_source, refuse_unexportable
from sentiment_hf.exporting.together import load_together
from sentiment_hf.models.quiet import keep_back_chatter
from sentiment_hf.models.resolve import resolve_on_hub
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.runs.finished import model_bytes
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.model_ref import Kind, ModelRef


@dataclass(frozen=True)
class Exported:
    """What was written.

    folder: where it is. bytes, bytes_before: of the model files here and of the run.
    difference: the largest one between a logit of the graph and one of the model, before weights became integers.
    report: with the scores of the graph; None if it was not scored.
    cost: what the graph loses of the scores of the run; None if it was not scored.
    """

    folder: Path
    bytes: int
    bytes_before: int
    difference: float
    report: Report | None = None
    cost: Cost | None = None


def export(ref: ModelRef, output: Path, int8: bool, overwrite: bool) -> Exported:
    """Write the graph of a model with all that belongs to it. Another export in `output` stays unless `overwrite`.

    The folder appears at once, when it is whole.

    Raises:
        InputError: the model cannot be exported, or the graph is not the model; or there is something in `output`.
    """
    refuse_unexportable(ref)
    refuse_taken(output, overwrite)
    require_checkpoint(ref)
    keep_back_chatter()
    ref = resolve_on_hub(ref)
    source = load_together(ref) if ref.kind is Kind.ENSEMBLE else load_source(ref)
    report, splits = data_of(ref, source)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as folder:
        home = Path(folder, output.name)
        home.mkdir()
        write_graph(source.model, example(source, TRACED), home / ONNX_FILE)
        difference = require_equal(home / ONNX_FILE, source)
        if int8:
            quantize(home / ONNX_FILE)
        write_companions(home, source)
        found = Exported(output, model_bytes(home), sum(map(model_bytes, source.runs)), difference)
        if splits:
            found = scored(found, home, with_members_from(output, report, source), splits, int8)
        shutil.rmtree(output, ignore_errors=True)
        os.replace(home, output)
    if splits:
        measure_missing([output, ref.folder], splits, ref.trust_remote_code)
    return found


def scored(found: Exported, home: Path, report: Report, splits: Splits, int8: bool) -> Exported:
    """What was exported, with its scores and the card, which are written to its folder `home`."""
    kind = "onnx-int8" if int8 else "onnx"
    facts = {"largest_difference": found.difference, "bytes": found.bytes, "bytes_before": found.bytes_before}
    report, cost = score_graph(home, replace(report, export=kind, exported=facts, bytes_on_disk=None), splits)
    return replace(found, report=report, cost=cost)


def with_members_from(output: Path, report: Report, source: Source) -> Report:
    """The report of an ensemble with its members as seen from the folder of the export; any other as it is."""
    if not report.members:
        return report
    places = [os.path.relpath(run.resolve(), output.resolve()) for run in source.runs]
    members = [member | {"folder": place} for member, place in zip(report.members, places, strict=True)]
    return replace(report, members=members)


def refuse_taken(output: Path, overwrite: bool) -> None:
    """Raise InputError if there is something in the output folder that is not to be replaced."""
    if not output.exists():
        return
    if not (output / ONNX_FILE).is_file() or any(output.glob("*.safetensors")) or not (output / CONFIG).is_file():
        raise InputError(f"--output_dir {output} holds something else than an export; name another folder")
    if not overwrite:
        raise InputError(f"--output_dir {output} holds an export already; add --overwrite, or name another folder")


def write_companions(home: Path, source: Source) -> None:
    """Write config, tokenizers, and what says which columns are read."""
    config = source.model.config.to_dict()
    # A graph needs no code.
    config.pop("auto_map", None)
    config[GRAPH] = ONNX_FILE
    write_text(home / CONFIG, json.dumps(config, indent=2, default=str) + "\n")
    for folder, tokenizer in zip(tokenizer_folders(home), source.tokenizers.values(), strict=True):
        tokenizer.save_pretrained(folder)
    for name in (READING, CONFORMAL, USUAL):
        if source.runs and (source.runs[0] / name).is_file():
            shutil.copy(source.runs[0] / name, home / name)
