"""The model card of a run: README.md and .eval_results/*.yaml, filled with measured values only."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, ModelCardData, eval_result_entries_to_yaml
from transformers.utils import cached_file

from sentiment_hf.common.class_names import shown as shown_names
from sentiment_hf.common.files import write_text
from sentiment_hf.common.layout import ADAPTER_CONFIG, CARD, EVAL_RESULTS, HISTORY
from sentiment_hf.common.markdown import escape_markdown, markdown_row, markdown_table
from sentiment_hf.common.redaction import NAMES_LEFT
from sentiment_hf.data.rare_classes import rare_in_words
from sentiment_hf.data.review_words import review_in_words
from sentiment_hf.runs.card_usage import WIDGET, usage_section
from sentiment_hf.runs.report import (
    Report,
    calibrated_in_words,
    left_out_in_words,
    memory_in_words,
    origin_in_words,
    redacted_in_words,
    taught_in_words,
    time_in_words,
)
from sentiment_hf.settings.model_ref import ModelRef, is_path
from sentiment_hf.tasks.task import with_digits

logger = logging.getLogger(__name__)

CURVE_LINES = 20


def write_card(folder: Path, report: Report) -> None:
    """Write README.md and, if a complete test part of the Hub was scored, .eval_results/DATASET.yaml."""
    curve = read_validation_curve(folder / HISTORY)
    adapter = (folder / ADAPTER_CONFIG).is_file()
    parts = [
        introduction_section(report),
        usage_section(report, adapter),
        results_section(report),
        *([abstention_section(report)] if report.abstention and report.abstention["levels"] else []),
        protocol_section(report),
        training_section(report, curve),
        *([privacy_section(report)] if report.privacy else []),
    ]
    head = hub_metadata(report, adapter).to_yaml()
    write_text(folder / CARD, "\n".join([f"---\n{head}\n---\n", *parts, limits_section(report)]))
    if report.dataset_id and scored_complete_test(report):
        ranking = report.as_task().ranking
        notes = ranking.name + (f", configuration {report.data['config']}" if report.data["config"] else "")
        entry = EvalResultEntry(report.dataset_id, "default", report.test[ranking.key], notes=notes)
        (folder / EVAL_RESULTS).mkdir(exist_ok=True)
        file = folder / EVAL_RESULTS / f"{report.dataset}.yaml"
        write_text(file, yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False))


def scored_complete_test(report: Report) -> bool:
    """True if the complete test part of the data set was scored, not a part of train and not a sample."""
    return bool(report.test) and report.data["test"] == "given" and "test" not in report.data["sampled"]


def license_of(ref: ModelRef) -> str | None:
    """The license in the card of a checkpoint; None if the card is missing or damaged or does not name one license."""
    path = cached_file(
        ref.source,
        CARD,
        revision=ref.commit or ref.revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    try:
        card = ModelCard.load(path, ignore_metadata_errors=True) if path else None
    except (yaml.YAMLError, ValueError) as error:
        logger.warning(
            "the license of %s is unknown, because its card cannot be read: %s", ref.name, " ".join(str(error).split())
        )
        return None
    return card.data.license if card and isinstance(card.data.license, str) else None


def hub_metadata(report: Report, adapter: bool) -> ModelCardData:
    """The YAML header of the card, which the Hub shows and uses for search."""
    task = report.as_task()
    # A local path is of no use on the Hub.
    base = None if report.base_model is None or is_path(report.base_model) else report.base_model
    # The Hub requires a valid id here, also for data that is not on the Hub.
    data_set = {"dataset_type": report.dataset_id or re.sub(r"[^\w.-]+", "-", report.dataset, flags=re.ASCII)}
    data_set |= {"dataset_name": report.dataset, "dataset_config": report.data["config"]}
    # Older reports do not have the commit.
    data_set |= {"dataset_revision": report.data.get("commit")}
    scores = [
        EvalResult(
            task_type=task.hub_type,
            **data_set,
            dataset_split="test" if scored_complete_test(report) else None,
            metric_type=kind.removesuffix("_macro"),
            metric_name=name,
            metric_value=report.test[kind],
        )
        for kind, name in task.hub_scores
        if report.test
    ]
    return ModelCardData(
        pipeline_tag=task.hub_type,
        library_name="onnx" if report.export else "peft" if adapter else "transformers",
        license=report.license or "unknown",
        base_model=base,
        base_model_relation=None if base is None else "adapter" if adapter else "finetune",
        datasets=[report.dataset_id] if report.dataset_id else None,
        metrics=list(task.hub_metrics),
        tags=["sentiment-hf", task.hub_type, report.model_type, *(["lora"] if adapter else [])],
        widget=None if report.no_texts else [{"text": text} for text in WIDGET],
        labels=report.labels,
        model_name=card_title(report),
        eval_results=scores or None,
    )


def card_title(report: Report) -> str:
    """The title of the card, without the paths of model and data set."""
    return f"{Path(report.model).name} on {report.dataset}"


def introduction_section(report: Report) -> str:
    """The section with title, model, data set, purpose and number of parameters."""
    model = escape_markdown(Path(report.model).name)
    over = (
        f" over the frozen token vectors of {escape_markdown(Path(report.embed_with).name)},"
        if report.embed_with
        else ""
    )
    members = " and ".join(escape_markdown(member["name"]) for member in report.members or [])
    how = {
        "ensemble": f"An ensemble of {members} (method {report.recipe}), trained",
        "scratch": f"A {model}, trained from scratch{over}",
        "full": f"{model}, all of its weights tuned",
        "head": f"{model} with its encoder as it was, and a new head",
        "lora": f"{model}, tuned by low-rank adapters",
        # Among runs without training, only those that merge an adapter write a card.
        "none": f"{model}, its low-rank adapters added to its weights, scored",
    }[report.tuning]
    labels = shown_names([escape_markdown(label) for label in report.labels])
    purpose = report.as_task().purpose.format(count=len(report.labels), labels=labels)
    trained = f", of which {report.trainable_parameters:,} were trained" if report.train_seconds else ""
    return f"""# {escape_markdown(card_title(report))}

{how} on {escape_markdown(report.dataset)}. {purpose}
{report.parameters:,} parameters{trained}.
"""


def results_section(report: Report) -> str:
    """The section with the scores of test and validation, and the tables that the task adds for test."""
    task = report.as_task()
    scored = {"test": report.test, "validation": report.validation}
    cells = [(part, *task.score_cells(scores)) for part, scores in scored.items() if scores]
    lines = ["## Results", "", *markdown_table(("", *task.score_header), cells)]
    for details in task.details(report.test) if report.test else []:
        lines += ["", details.title, "", *markdown_table(details.header, details.lines)]
    if by_language := (report.test or {}).get("by_language"):
        cells = [(name, *task.score_cells(scores)) for name, scores in by_language.items()]
        lines += ["", "Test by language:", "", *markdown_table(("language", *task.score_header), cells)]
    if report.calibration:
        how = "Temperature scaling on validation (Guo et al. 2017), in the weights of the last layer"
        lines += ["", f"{how}: {calibrated_in_words(report.calibration)}."]
    return "\n".join([*lines, ""])


def abstention_section(report: Report) -> str:
    """The section on sets with a given certainty (`--abstain`): how often they hold the label of test."""
    found = report.abstention
    header, cells = ("certainty", "holds the number", "width"), []
    for one in found["levels"]:
        if "mean_size" in one:
            header = ("certainty", "holds the label", "classes in a set", "abstains", "accuracy of the others")
            others = one["accuracy_of_others"]
            more = (f"{one['mean_size']:.2f}", f"{one['abstained']:.1%}", "–" if others is None else f"{others:.1%}")
        else:
            more = (with_digits(one["mean_width"], 4),)
        cells.append((f"{one['level']:.0%}", f"{one['coverage']:.1%}", *more))
    lines = [
        "## Abstention",
        "",
        "`sentiment-hf predict MODEL TEXT --abstain 0.95` gives sets that hold the right answer with this certainty, "
        f"by {found['rows']:,} rows of validation (split-conformal prediction), for texts like those. On test:",
        "",
        *markdown_table(header, cells),
        "",
    ]
    return "\n".join(lines)


def protocol_section(report: Report) -> str:
    """The section about the data: rows, splits, duplicates, and how the weights were chosen."""
    lines = [*lines_of_parts(report.data), *lines_of_changes(report), *lines_of_sources(report)]
    if not report.privacy:
        lines += lines_of_duplicates(report.duplicates)
    lines += lines_of_choice(report)
    lines.append(
        f"- Recipe {escape_markdown(report.recipe)}, seed {report.seed}, fingerprint {report.fingerprint[:12]}."
    )
    name = escape_markdown(report.dataset)
    if report.dataset_id:
        name = f"[{name}](https://huggingface.co/datasets/{report.dataset_id})"
    if report.data["config"]:
        name += f", configuration {escape_markdown(report.data['config'])}"
    rows = ", ".join(f"{count:,} {part}" for part, count in report.data["rows"].items())
    return "\n".join(["## Data and protocol", "", f"- Data: {name}; rows: {rows}.", *lines, ""])


def lines_of_parts(data: dict[str, Any]) -> list[str]:
    """Where validation and test come from, and of which parts a sample was taken."""
    lines = [f"- {part.capitalize()} part: {data[part]}." for part in ("validation", "test")]
    return lines + [f"- Of {part}: {sample}." for part, sample in data["sampled"].items()]


def lines_of_changes(report: Report) -> list[str]:
    """What was changed in the data: rare classes, rows that a person reviewed, personal data."""
    data, lines = report.data, []
    if rare := data.get("rare_classes"):
        lines.append(f"- {escape_markdown(rare_in_words(rare))}")
    if reviewed := data.get("reviewed"):
        file = escape_markdown(Path(reviewed["file"]).name)
        lines.append(f"- Reviewed by a person ({file}): {review_in_words(reviewed)}; no row of test was changed.")
    if "redacted" in data:
        # Counts of private rows would have no noise.
        found = NAMES_LEFT if report.privacy else redacted_in_words(data)
        lines.append(f"- Personal data were replaced by placeholders (`--redact`): {found}.")
    return lines


def lines_of_sources(report: Report) -> list[str]:
    """What the model has learned from beside the labels."""
    lines = []
    if report.began_with:
        lines.append(f"- It began as {escape_markdown(origin_in_words(report.began_with))}.")
    if taught := taught_in_words(report):
        lines.append(f"- Beside the labels it learned what a teacher said, {escape_markdown(taught)}.")
    if unlabelled := report.data.get("unlabelled"):
        file = escape_markdown(Path(unlabelled["file"]).name)
        lines.append(f"- Texts without labels: {unlabelled['rows']:,} of {file}; {left_out_in_words(unlabelled)}.")
    return lines


def lines_of_choice(report: Report) -> list[str]:
    """How the weights were chosen, and what test had to do with it."""
    chosen = "the best on validation" if report.best_step else "those of the last step"
    if report.members:
        weights = ", ".join(f"{member['weight']:.3f}" for member in report.members)
        combined = {
            "weights": f"The weights of the members ({weights}) were learned on validation, so it is not scored again",
            "mean": "All members weigh alike",
            "vote": "The members vote",
        }[report.recipe]
        return [f"- {combined}; test chose nothing."]
    if report.refit:
        return [
            f"- A first fit on train chose on validation how long to train: {chosen}.",
            f"- The weights are those of a second fit of {report.refit['steps']:,} steps on the "
            f"{report.refit['rows']:,} rows of train and validation together. Scores of validation are of the first "
            "fit; test was scored once, by the second.",
        ]
    if report.train_seconds:
        return [f"- The weights are {chosen}; test was scored after that and chose nothing."]
    return []


def lines_of_duplicates(duplicates: dict) -> list[str]:
    """How many rows of train stand elsewhere too."""
    removed = "removed from train" if duplicates["removed"] else "left in train"
    lines = [f"- Rows of train that stand in test word for word: {duplicates['train_in_test']}, {removed}."]
    if "train_in_validation" in duplicates:
        lines.append(f"- Rows of train that stand in validation: {duplicates['train_in_validation']}, {removed}.")
    return lines


def read_validation_curve(path: Path) -> list[dict]:
    """The logged entry of each validation, with the last training loss before it as `loss` (None if there is none)."""
    curve, loss = [], None
    for entry in map(json.loads, path.read_text(encoding="utf-8").splitlines() if path.is_file() else []):
        loss = entry.get("loss", loss)
        if "eval_loss" in entry:
            curve.append(entry | {"loss": loss})
    return curve


def training_section(report: Report, curve: list[dict]) -> str:
    """The section about training: validation curve, time, memory, versions."""
    lines, ranking = ["## Training", ""], report.as_task().ranking
    if curve:
        # The loss of private texts has no noise.
        losses = ["validation loss"] if report.privacy else ["training loss", "validation loss"]
        header = ("step", "epoch", *losses, f"validation {ranking.name}")
        lines += [markdown_row(*header), markdown_row(*["---:"] * len(header))]
        every = -(-len(curve) // CURVE_LINES)
        shown = [e for index, e in enumerate(curve) if index % every == 0 or e["step"] == report.best_step]
        for e in shown:
            of_train = [] if report.privacy else ["" if e["loss"] is None else f"{e['loss']:.4f}"]
            score = ranking.shown(e[f"eval_{ranking.key}"])
            lines.append(markdown_row(e["step"], f"{e['epoch']:.2f}", *of_train, f"{e['eval_loss']:.4f}", score))
        chosen = f"step {report.best_step or report.steps}"
        said = f"The weights are those of {chosen}."
        if report.refit:
            said = f"This is the first fit, of which {chosen} was chosen."
        lines += ["", said, ""]
    if report.train_seconds:
        # Of private texts the speed would tell how many tokens they have.
        speed = f"; {report.train_tokens_per_second:,.0f} tokens a second, padding not counted"
        speed = "" if report.privacy else speed
        lines.append(f"- {time_in_words(report)} from the data files to the saved model{speed}.")
    memory = f"at most {memory_in_words(report)}"
    precision = "" if report.mixed_precision in ("no", None) else f", mixed precision {report.mixed_precision}"
    if report.bf16_chosen:
        precision += f" (bf16: {escape_markdown(report.bf16_chosen)})"
    cores = f"{report.processes} x {report.threads} threads"
    lines.append(f"- {escape_markdown(report.device)}, {cores}{precision}, {memory}.")
    lines.append(
        "- " + ", ".join(f"{escape_markdown(name)} {version}" for name, version in report.versions.items()) + "."
    )
    return "\n".join([*lines, ""])


def privacy_section(report: Report) -> str:
    """The section of --dp_epsilon: what is guaranteed, and what not."""
    privacy = report.privacy
    # Of a merged adapter the data of this run may be others.
    count, steps = f"{round(privacy['batch'] / privacy['sample_rate']):,}", f"{privacy['steps']:,}"
    by_orders, by_variables = privacy["epsilon_rdp"], privacy["epsilon_prv"]
    public = [f"the weights of {Path(report.base_model).name}"] if report.base_model else []
    if (report.flags or {}).get("tokenizer") not in (None, "bytes"):
        public.append(f"the tokenizer of {Path(report.flags['tokenizer']).name}")
    assumed = f"It takes for granted that none of these rows went into {escape_markdown(' and '.join(public))}.\n"
    return f"""## Privacy

The weights were trained by DP-SGD (Abadi et al. 2016). Had any one of the {count} rows of train been missing, what has
the probability p of these weights, or of those of any step, would have had at most e^ε p + δ, and the other way round:
δ is {privacy["delta"]:.2g}, and ε is at most {by_orders:.2f} by Rényi differential privacy, {by_variables:.2f} by
privacy random variables. Each of {steps} steps took a row with probability {privacy["sample_rate"]:.3g}; the noise
was {privacy["noise_multiplier"]:.4f} times {privacy["max_grad_norm"]:g}, the length to which the gradient of each
text was shortened.
{assumed if public else ""}
Not covered:

- {unprotected_rows(report)}
- the number of rows of train, the names of the classes, and several rows of one person;
- other runs on the same rows: what they spent, and what was chosen by looking at them, adds up;
- files beside the weights, such as report.json and the logs, which have losses and counts of train without noise;
- whoever can read the memory or the checkpoints of the run, and attacks on the digits of the noise (Mironov 2012).
"""


def unprotected_rows(report: Report) -> str:
    """Rows of which the folder tells without noise."""
    scored = [(part, report.data["rows"][part]) for part in ("validation", "test") if getattr(report, part)]
    said = "rows of " + " and of ".join(f"{part} ({count:,})" for part, count in scored) + ": their scores stand here"
    if not report.train_seconds:
        # Of a merged adapter: what these are, the card of the adapter says.
        return said + ", and the rows of validation by which the adapter was calibrated;"
    fitted = ["the temperature"] if report.calibration else []
    fitted += ["the sets of `--abstain`"] if report.abstention else []
    fitted.append("the bounds of `--flag_unlike`")
    # Where thresholds of labels were found.
    fitted += ["the thresholds of the labels"] if (report.task_settings or {}).get("thresholds") else []
    return said + (f", and {' and '.join(fitted)} come of validation;" if fitted else ";")


def limits_section(report: Report) -> str:
    """The section about limits: what was not tested, and how many training texts were cut."""
    tested = f"the test part of {escape_markdown(report.dataset)}" if report.test else "nothing, not even a test part"
    if report.privacy:
        long_texts = f"Texts were cut to {report.max_seq_length} tokens ({report.truncation} kept)."
    elif report.members:
        long_texts = "Each member cuts a text to the tokens that it reads, `max_length` in config.json."
    else:
        long_texts = long_texts_in_training(report)
    return f"""## Limits

It was tested on {tested}. How it does on texts of another kind, language or time, on texts
written to mislead it, and whether it treats groups of people alike, was not tested.
{long_texts}
"""


def long_texts_in_training(report: Report) -> str:
    """How many training texts were longer than what the model reads at a time, and what was done about it."""
    return (
        f"{report.train_texts_at_max_seq_length:.1%} of the training texts were longer than {report.max_seq_length} "
        "tokens and read in windows."
        if report.windows
        else f"{report.train_texts_at_max_seq_length:.1%} of the training texts reached {report.max_seq_length} "
        f"tokens; what is\nlonger was cut ({report.truncation} kept)."
    )
