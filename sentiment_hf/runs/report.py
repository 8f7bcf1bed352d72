"""`Report`: model, data, cost and scores of a finished run, as report.json and as a table on the screen."""

import dataclasses
import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import REPORT
from sentiment_hf.common.redaction import NAMES_LEFT, counts_in_words
from sentiment_hf.common.stopwatch import STATIONS
from sentiment_hf.data.review_words import review_in_words
from sentiment_hf.tasks.saved import task_named
from sentiment_hf.tasks.task import Task

# The version of the format of report.json. New keys do not change it; a changed or removed key does.
SCHEMA = 1

# What to do about an output folder with a damaged file; ends the message.
REPLACE_REMEDY = "choose another folder, or give --overwrite"

# The task of reports that were written before the key `task` existed.
DEFAULT_TASK = "single_label"

# The task of a language model, which has no labels.
WORDS = "words"

# Lines of a result table for the scores of languages.
SHOWN_LANGUAGES = 20

# Keys that are omitted from report.json if they are None.
OPTIONAL_KEYS = ("task_settings", "members", "chosen", "search", "refit", "bf16_chosen", "validation", "test")
OPTIONAL_KEYS += ("no_texts", "export", "exported", "began_with", "calibration", "abstention", "privacy")


# Keys that every report has, with their types.
REQUIRED = {"model": str, "tuning": str, "dataset": str, "labels": list, "data": dict}
NAMES_OF_TYPES = {str: "string", list: "array", dict: "object"}


@dataclass
class Report:
    """The keys of report.json as attributes. None means unknown, as in reports of older versions, or not applicable.

    model, model_type, model_revision, tuning, embed_with, embed_with_revision, base_model, license: the model; a
        revision is the commit of a model of the Hub; `tuning` is `RunSpec.how` or "ensemble".
    began_with: of a language model with which training began, what it had read and how long that took
        (`runs/origin.py`).
    recipe, seed, command, fingerprint: how to repeat the run.
    flags: the flags that differ from their defaults and shape the run, without the seed and those of the data.
    dataset, dataset_id, data, duplicates, data_hash, test_hash: the data, notes on it, and hashes.
    task, labels: the name of the task and the names of its outputs.
    task_settings: what else the task saved, such as the thresholds of labels; None if that is nothing.
    schema: the version of this format; new keys do not change it.
    parameters, trainable_parameters: numbers in the weights, and those of them that were trained.
    seconds, total_seconds: from the data files to the saved model, by station (`common/stopwatch.py`) and in all; no
        station if nothing was trained. Older reports have None.
    train_seconds, train_tokens, train_tokens_per_second, train_texts_per_second: training steps only; for a baseline,
        features and fits.
    epochs, steps, best_step: passes over train, optimizer steps, and the step of the checkpoint that was kept.
    side_by_side: the most runs that its machine made at a time, this one included, which makes its times longer.
    processes, mixed_precision, threads: how it was computed.
    sharding: fsdp or deepspeed; None if each process had all weights.
    bf16_chosen: what --bf16 auto chose, and why; None if it was not given.
    max_seq_length, vocabulary: in tokens.
    truncation: the part that is kept of a longer text; None if it is read in windows.
    windows: with --long_texts windows the tokens that a window repeats of the one before it (overlap), the pooling of
        the logits of a text, and how many windows the training texts have (train). `train_texts_per_second` then
        counts windows.
    train_texts_at_max_seq_length: fraction of the training texts that have so many tokens, or several windows.
    validation_unknown_tokens: fraction of the tokens of validation; None if the tokenizer has no unknown token.
    device, device_kind: the name of the GPU or the processor, and cpu, cuda, mps, ...
    validation, test: scores as `Task.scores` returns them, rates as fractions; None if the part was not scored.
    peak_memory_bytes, peak_gpu_memory_bytes: of the first process and its GPU.
    run_memory_bytes: the peak without what the process had when it had imported its packages.
    bytes_on_disk: set for ensembles.
    chosen, search: the chosen regularisation of a baseline, and all values that were tried.
    refit: rows of train and validation, and the steps on them (None for a baseline), that made the saved model after a
        first fit, of which are `steps`, `epochs`, `best_step` and the scores of validation.
    calibration: the temperatures by which logits were divided, one for each output, and of each part the loss and the
        calibration error before and after.
    abstention: rows of validation; of each level of certainty how often the sets of test hold the label (coverage),
        how large they are and how many rows have not exactly one class; the share of wrong rows among the surest ones
        (risk_by_coverage), and its mean (aurc).
    privacy: with --dp_epsilon what was planned and done (`PrivacyPlan`), and two upper bounds of the ε that was spent
        for a row of train: epsilon_rdp and epsilon_prv. Of a model that is only scored or merged, those of its run.
    members: the members of an ensemble.
    export: onnx or onnx-int8, if the scores and predictions are those of an exported graph; all else is of its run.
    exported: the bytes of its files and of those of the run, and the largest difference between a logit of the graph
        in floats and one of the model.
    no_texts: whether pages that are made of the run are to show no text of its data; None if they may.
    versions: of Python and the packages.
    """

    model: str
    tuning: str
    dataset: str
    labels: list[str]
    data: dict[str, Any]
    schema: int = SCHEMA
    task: str = DEFAULT_TASK
    task_settings: dict[str, Any] | None = None
    model_type: str | None = None
    model_revision: str | None = None
    embed_with: str | None = None
    embed_with_revision: str | None = None
    base_model: str | None = None
    license: str | None = None
    began_with: dict[str, Any] | None = None
    dataset_id: str | None = None
    seed: int | None = None
    recipe: str | None = None
    command: str | None = None
    flags: dict[str, Any] | None = None
    duplicates: dict[str, Any] | None = None
    fingerprint: str | None = None
    data_hash: str | None = None
    test_hash: str | None = None
    parameters: int | None = None
    trainable_parameters: int | None = None
    seconds: dict[str, float] | None = None
    total_seconds: float | None = None
    train_seconds: float | None = None
    train_tokens: int | None = None
    train_tokens_per_second: float | None = None
    train_texts_per_second: float | None = None
    epochs: float | None = None
    steps: int | None = None
    best_step: int | None = None
    side_by_side: int = 1
    processes: int | None = None
    mixed_precision: str | None = None
    sharding: str | None = None
    bf16_chosen: str | None = None
    max_seq_length: int | None = None
    truncation: str | None = None
    windows: dict[str, Any] | None = None
    train_texts_at_max_seq_length: float | None = None
    vocabulary: int | None = None
    validation_unknown_tokens: float | None = None
    bytes_on_disk: int | None = None
    calibration: dict[str, Any] | None = None
    abstention: dict[str, Any] | None = None
    privacy: dict[str, Any] | None = None
    members: list[dict[str, Any]] | None = None
    chosen: dict[str, float] | None = None
    search: list[dict[str, Any]] | None = None
    refit: dict[str, int] | None = None
    export: str | None = None
    exported: dict[str, Any] | None = None
    validation: dict[str, Any] | None = None
    test: dict[str, Any] | None = None
    threads: int | None = None
    device: str | None = None
    device_kind: str | None = None
    peak_memory_bytes: int | None = None
    run_memory_bytes: int | None = None
    peak_gpu_memory_bytes: int | None = None
    no_texts: bool | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    # The folder of the run. Not saved in report.json, because folders can be moved.
    folder: Path | None = None

    def __str__(self) -> str:
        return result_table(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def as_task(self) -> Task:
        """The task of the run; raises InputError for a language model, or if this version does not know the task."""
        if self.task == WORDS:
            raise knows_no_labels(self.folder)
        return task_named(self.task, self.labels, self.task_settings, self.folder)

    def with_totals(self, data_seconds: float, memory_at_start: int) -> Self:
        """The report with the sums over its stations, `data_seconds` among them, and the memory of the run alone."""
        seconds = {"data": data_seconds} | self.seconds if self.seconds else {}
        return dataclasses.replace(
            self,
            seconds={station: seconds[station] for station in STATIONS if station in seconds},
            total_seconds=sum(seconds.values()),
            run_memory_bytes=max(self.peak_memory_bytes - memory_at_start, 0),
        )

    def as_json(self) -> dict[str, Any]:
        """The content of report.json."""
        content = {name: value for name, value in vars(self).items() if name != "folder"}
        return {name: value for name, value in content.items() if value is not None or name not in OPTIONAL_KEYS}

    def save(self, folder: Path) -> None:
        """Write report.json atomically."""
        write_json(folder / REPORT, self.as_json())

    @classmethod
    def from_json(cls, content: dict[str, Any], source: Path) -> Self:
        """The report with the content of a report.json of this or an older version; missing keys are None.

        `source` is the path of the file.

        Raises:
            InputError: `content` is not a report, or has a later schema than this version knows.
        """
        for name, kind in REQUIRED.items():
            if not isinstance(content.get(name), kind):
                raise InputError(f"{source} is no report of a run: expected {name} as a JSON {NAMES_OF_TYPES[kind]}")
        if not isinstance(schema := content.get("schema", SCHEMA), int) or schema > SCHEMA:
            raise InputError(
                f"{source} was written by a later version (schema {schema}, known up to {SCHEMA}); update sentiment-hf"
            )
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known} | {"folder": source.parent})

    @classmethod
    def load(cls, folder: Path, *remedy: str) -> Self:
        """Read report.json in `folder`; raises InputError, whose message ends in `remedy`, if the file is damaged."""
        return cls.from_json(read_json(folder / REPORT, *remedy), folder / REPORT)


def knows_no_labels(folder: Path | str) -> InputError:
    """The error for a language model where a classifier is wanted."""
    return InputError(
        f"{folder} holds a language model, which knows no labels: train a classifier from it by `sentiment-hf run "
        f"--model {folder}`"
    )


def left_out_in_words(unlabelled: dict[str, Any]) -> str:
    """How many texts without labels were left out because they stand in the data: a part of a sentence in a card."""
    left_out = unlabelled["left_out"]
    known = sum(count for name, count in left_out.items() if name.startswith("in_"))
    return f"{known:,} were left out because they stand in the data, {left_out['in_test']:,} of them in test"


def redacted_in_words(data: dict[str, Any]) -> str:
    """What --redact replaced, part by part."""
    parts = data["redacted"] | (
        {"texts without labels": data["unlabelled"]["redacted"]} if "unlabelled" in data else {}
    )
    return "; ".join([*(f"{counts_in_words(counts)} in {part}" for part, counts in parts.items()), NAMES_LEFT])


def result_table(report: Report) -> str:
    """The result of a run as an aligned table of text, which `run` and `ensemble` print."""
    lines = [
        ("model", f"{report.model} ({report.tuning})"),
        ("dataset", report.dataset if report.seed is None else f"{report.dataset}, seed {report.seed}"),
        ("parameters", f"{report.parameters:,}, of them trained {report.trainable_parameters:,}"),
    ]
    if report.train_seconds:
        speed = f"{report.train_tokens_per_second:,.0f} tokens/s"
        lines.append(("training", f"{time_in_words(report)}, {speed}"))
    if report.bf16_chosen:
        lines.append(("bf16", report.bf16_chosen))
    if report.began_with:
        lines.append(("began with", origin_in_words(report.began_with)))
    if taught := taught_in_words(report):
        lines.append(("teacher", taught))
    if reviewed := report.data.get("reviewed"):
        lines.append(("reviewed", review_in_words(reviewed)))
    if "redacted" in report.data:
        lines.append(("redacted", redacted_in_words(report.data)))
    if report.privacy:
        lines.append(("privacy", privacy_in_words(report.privacy)))
    lines.append(("peak memory", memory_in_words(report)))
    for split in ("validation", "test"):
        if scores := getattr(report, split):
            if report.task == WORDS:
                lines.append((split, words_summary(scores)))
                continue
            lines += [(split, report.as_task().summary(scores)), *_about(split, report)]
            lines += [("", f"{name}: {summary}") for name, summary in _languages_shown(scores, report.as_task())]
    if report.calibration:
        lines.append(("calibrated", calibrated_in_words(report.calibration)))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def words_summary(scores: dict) -> str:
    """The scores of a language model as text."""
    return f"perplexity {scores['perplexity']:.1f}, loss {scores['loss']:.4f} nats per word, {scores['rows']:,} texts"


def _languages_shown(scores: dict, task: Task) -> list[tuple[str, str]]:
    """(language, its scores as text) of those with most rows, and how many others there are."""
    found = list(scores.get("by_language", {}).items())
    shown = [(name, task.summary(of_language)) for name, of_language in found[:SHOWN_LANGUAGES]]
    rest = len(found) - len(shown)
    return [*shown, ("more languages", f"{rest}, in {REPORT}")] if rest else shown


def _about(split: str, report: Report) -> list[tuple[str, str]]:
    """What to know about the score of a part: how it was taken, and rows of it that stand in another part too."""
    found = report.duplicates or {}
    lines = [("", about_refit(split, report.refit))] if report.refit else []
    if (how := (report.data or {}).get(split, "given")) != "given":
        lines.append(("", how))
    counts = {"train": f"{split}_in_train", "test": f"{split}_in_test", f"{split} itself": f"within_{split}"}
    rows = [f"{found[key]} in {where}" for where, key in counts.items() if found.get(key)]
    if rows:
        left = ", removed from train" if found["removed"] else ""
        lines.append(("", f"texts that stand elsewhere too: {', '.join(rows)}{left}"))
    return lines


def about_refit(split: str, refit: dict[str, int]) -> str:
    """Which fit of --refit the score of a part is of."""
    if split == "validation":
        return "by the first fit, on train alone"
    steps = f", {refit['steps']} steps" if refit["steps"] else ""
    return f"by the second fit, on {refit['rows']} rows of train and validation{steps}"


def origin_in_words(began_with: dict[str, Any]) -> str:
    """The language model with which training began, what it had read, and whether rows of test can be among that."""
    texts = f"{began_with['train_texts']:,} texts of train of {began_with['dataset']}"
    if began_with["file"]:
        texts += f" and {began_with['texts']:,} of {Path(began_with['file']).name}"
    test = (
        "no copy of a row of test" if began_with["without_test"] else "rows of this test part perhaps, without labels"
    )
    return f"a language model that had read {texts} in {began_with['seconds'] / 60:.0f} min, {test}"


def privacy_in_words(privacy: dict[str, Any]) -> str:
    """The guarantee for a row of train, and the noise that gives it."""
    return (
        f"ε {privacy['epsilon_rdp']:.2f} (RDP; {privacy['epsilon_prv']:.2f} by PRV), δ {privacy['delta']:.2g} for a "
        f"row of train; {privacy['steps']:,} steps of {privacy['batch']} texts on average, noise "
        f"{privacy['noise_multiplier']:.3f} x {privacy['max_grad_norm']:g}"
    )


def taught_in_words(report: Report) -> str | None:
    """The teacher and how many texts it was asked about; None without a teacher."""
    if not (teacher := report.data.get("teacher")):
        return None
    parts = {"unlabelled": "texts without labels", "train": "rows of train", "validation": "rows of validation"}
    asked = [f"{count:,} {parts[part]}" for part, count in teacher["asked"].items()]
    return f"{teacher['name']}, asked about {' and '.join(asked)}"


def calibrated_in_words(calibration: dict[str, Any]) -> str:
    """The temperatures, and what they changed on test."""
    few, many = min(calibration["temperatures"]), max(calibration["temperatures"])
    found = f"logits divided by {few:.3f}" if few == many else f"logits divided by {few:.3f} to {many:.3f}"
    if "test" not in calibration:
        return found
    before, after = calibration["test"]["before"], calibration["test"]["after"]
    return (
        f"{found}; on test loss {before['loss']:.4f} before and {after['loss']:.4f} after, calibration error "
        f"{before['calibration_error']:.2%} and {after['calibration_error']:.2%}"
    )


def time_in_words(report: Report) -> str:
    """The minutes from the data files to the saved model, with the seconds of each station."""
    if report.total_seconds is None:
        return f"{report.train_seconds / 60:.1f} min of steps"
    parts = [f"{station} {seconds:.1f} s" for station, seconds in (report.seconds or {}).items()]
    parts += [f"{report.side_by_side} runs side by side"] if report.side_by_side > 1 else []
    return f"{report.total_seconds / 60:.1f} min" + (f" ({', '.join(parts)})" if parts else "")


def memory_in_words(report: Report) -> str:
    """The largest resident size of the process, and how much of it the run added to the imports."""
    whole = f"{report.peak_memory_bytes / 2**20:,.0f} MiB"
    own = report.run_memory_bytes
    return whole if own is None else f"{whole}, of them {own / 2**20:,.0f} above the imports"
