"""The model card of a run: README.md and .eval_results/*.yaml, filled with measured values only."""

import html
import json
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, ModelCardData, eval_result_entries_to_yaml
from transformers.utils import cached_file

from custom_models import OWN_CODE
from sentiment_hf.common.class_names import shown as shown_names
from sentiment_hf.common.files import write_text
from sentiment_hf.common.layout import ADAPTER_CONFIG, CARD, EVAL_RESULTS, HISTORY
from sentiment_hf.data.rare_classes import rare_in_words
from sentiment_hf.runs.report import Report, left_out_in_words, memory_in_words, taught_in_words, time_in_words
from sentiment_hf.settings.model_ref import ModelRef, is_path

logger = logging.getLogger(__name__)

# The code in a card refers to the model by this line; `pinned_card` replaces it by the id and commit on the Hub.
LOCAL = 'model_id, revision = ".", None'

# Code that makes logits by the graph of an ensemble, each member of which has a tokenizer.
READ_BY_EACH = """import json

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

texts = TEXTS
config = json.load(open("config.json", encoding="utf-8"))
names = config["id2label"].values()
known = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
session = onnxruntime.InferenceSession("model.onnx")
feed = {}
for number, member in enumerate(config["members"]):
    tokenizer = Tokenizer.from_file(f"{number}/tokenizer.json")
    tokenizer.enable_truncation(member["max_length"], direction=member["truncation_side"])
    tokenizer.enable_padding(pad_id=member["pad_token_id"])
    rows = tokenizer.encode_batch([text.replace("<br />", " ") for text in texts])
    for name in (x.name for x in session.get_inputs() if x.name.endswith(f"_{number}")):
        feed[name] = np.array([getattr(row, known[name.removesuffix(f"_{number}")]) for row in rows])
logits = session.run(None, feed)[0]
"""

CURVE_LINES = 20
WIDGET = ("I would see it again tomorrow.", "Two hours that I want back.")


def write_card(folder: Path, report: Report) -> None:
    """Write README.md and, if a complete test part of the Hub was scored, .eval_results/DATASET.yaml."""
    curve = read_validation_curve(folder / HISTORY)
    adapter = (folder / ADAPTER_CONFIG).is_file()
    parts = [
        introduction_section(report),
        usage_section(report, adapter),
        results_section(report),
        protocol_section(report),
        training_section(report, curve),
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


def pinned_card(text: str, repo_id: str, revision: str, license_name: str | None, base_model: str | None) -> str:
    """The card `text` with code that loads `revision` of `repo_id`; license and base model are set if given."""
    card = ModelCard(text)
    if license_name:
        card.data.license = license_name
    if base_model:
        card.data.base_model = base_model
    return str(card).replace(LOCAL, f'model_id, revision = "{repo_id}", "{revision}"')


def escape_markdown(text: str) -> str:
    """Escape Markdown and HTML in `text` and put it on one line, so that it is shown literally."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def markdown_row(*cells: object) -> str:
    """One line of a Markdown table; `cells` are not escaped."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table, escaped. The first column is aligned left, all others are aligned right."""
    rule = markdown_row("---", *["---:"] * (len(header) - 1))
    return [
        markdown_row(*map(escape_markdown, header)),
        rule,
        *(markdown_row(*map(escape_markdown, cells)) for cells in lines),
    ]


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
        widget=[{"text": text} for text in WIDGET],
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


def usage_section(report: Report, adapter: bool) -> str:
    """The section with code that classifies a text, and how its result differs from training or `predict`."""
    if report.export:
        return graph_section(report)
    own_code = report.model_type in OWN_CODE
    task = report.as_task()
    snippet = adapter_snippet(report, own_code) if adapter else pipeline_snippet(own_code, task.pipeline_arguments)
    notes = [f"As in training, texts are cut to {report.max_seq_length} tokens, and `<br />` is read as a space."]
    if report.windows:
        notes = [
            f"In training a text of more than {report.max_seq_length} tokens was read in windows of so many, each of "
            f"which repeats the last {report.windows['overlap']} of the one before it, and its answer is made of the "
            f"{report.windows['pooling']} of their logits. `sentiment-hf predict` reads it so. `pipeline()` cannot "
            "and, with `truncation=True`, reads the first window only. `<br />` is read as a space."
        ]
    if task.pipeline_note and not adapter:
        notes.append(task.pipeline_note)
    if report.truncation == "head-tail":
        notes.append(
            "In training the middle of a longer text was left out, a quarter of the tokens kept from its head and the "
            "rest from its tail. `pipeline()` cannot do this and, with `truncation=True`, keeps the head; "
            "`sentiment-hf predict` can."
        )
    columns = report.data["columns"]
    if beside := columns.get("extra"):
        names = ", ".join(map(escape_markdown, beside))
        how = "in front of the text" if columns["as_text"] else "beside the text"
        notes.append(
            f"In training the columns {names} stood {how}. `pipeline()` is given the text alone, for which they count "
            "as missing; `sentiment-hf predict --file` reads them."
        )
    if own_code:
        notes.append(
            "The code of the model comes with it, which is why `trust_remote_code=True` is needed: read it first."
        )
    return f"## Use\n\n```python\n{snippet}\n```\n\n{' '.join(notes)}\n"


def graph_section(report: Report) -> str:
    """The section with code that classifies a text by the graph alone, and what that code does not do."""
    notes = [
        "It is run where the files are, without torch and transformers. `sentiment-hf predict` reads them too.",
        "ONNX Runtime sends its makers what runs where, unless `ORT_DISABLE_TELEMETRY=1` is set.",
    ]
    exported = report.exported
    if report.export == "onnx-int8":
        notes.append("Its weights are 8-bit integers, which changes the scores slightly; those below are its own.")
    notes.append(
        f"Its files have {exported['bytes'] / 2**20:,.1f} MiB, those of the run "
        f"{exported['bytes_before'] / 2**20:,.1f}. "
        f"In floats, no logit was further than {exported['largest_difference']:.0e} from that of the model."
    )
    if report.windows:
        notes.append(
            f"A text of more than {report.max_seq_length} tokens was read in overlapping windows in training, as "
            "`sentiment-hf predict` does; this code reads the first window only."
        )
    elif report.truncation == "head-tail":
        notes.append(
            "In training the middle of a longer text was left out, as `sentiment-hf predict` does; this code keeps "
            "the head."
        )
    elif report.members:
        notes.append(
            "A member that was trained without the middle of a longer text (head-tail), as `sentiment-hf predict` "
            "reads it, reads its head here."
        )
    if beside := report.data["columns"].get("extra"):
        names = ", ".join(map(escape_markdown, beside))
        notes.append(f"In training the columns {names} were read too, which are missing here.")
    return f"## Use\n\n```python\n{graph_snippet(report)}\n```\n\n{' '.join(notes)}\n"


def graph_snippet(report: Report) -> str:
    """Code that classifies texts by onnxruntime, tokenizers and numpy."""
    scores = {
        "regression": "logits[:, 0]",
        "multi_label_classification": "1 / (1 + np.exp(-logits))",
    }.get(report.as_task().problem_type, "np.exp(logits) / np.exp(logits).sum(1, keepdims=True)")
    if report.members:
        return f"{READ_BY_EACH}print(list(names), {scores})".replace("TEXTS", json.dumps(list(WIDGET)))
    side = ', direction="left"' if report.truncation == "tail" else ""
    columns = report.data["columns"]
    cells = ""
    if columns.get("extra") and not columns["as_text"]:
        cells = """
beside = {"column_numbers": np.float32(np.nan), "column_categories": np.int32(0)}
feed |= {one.name: np.full((len(rows), one.shape[1]), beside[one.name]) for one in inputs if one.name in beside}"""
    return f"""import json

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

texts = {json.dumps(list(WIDGET))}
names = json.load(open("config.json", encoding="utf-8"))["id2label"].values()
tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_truncation({report.max_seq_length}{side})
tokenizer.enable_padding(pad_id=json.load(open("config.json", encoding="utf-8"))["pad_token_id"])
rows = tokenizer.encode_batch([text.replace("<br />", " ") for text in texts])
known = {{"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}}
session = onnxruntime.InferenceSession("model.onnx")
inputs = session.get_inputs()
feed = {{x.name: np.array([getattr(row, known[x.name]) for row in rows]) for x in inputs if x.name in known}}{cells}
logits = session.run(None, feed)[0]
print(list(names), {scores})"""


def pipeline_snippet(own_code: bool, arguments: str) -> str:
    """The code for a complete checkpoint; `arguments` follow the text."""
    trust = ", trust_remote_code=True" if own_code else ""
    return f"""from transformers import pipeline

{LOCAL}
classifier = pipeline("text-classification", model_id, revision=revision{trust})
print(classifier({json.dumps(WIDGET[0])}{arguments}, truncation=True))"""


def adapter_snippet(report: Report, own_code: bool) -> str:
    """The code for an adapter. Its files contain neither the base model nor the names of the classes."""
    trust = ", trust_remote_code=True" if own_code else ""
    return f"""from peft import AutoPeftModelForSequenceClassification
from transformers import AutoTokenizer

{LOCAL}
labels = {json.dumps(report.labels, ensure_ascii=False)}
model = AutoPeftModelForSequenceClassification.from_pretrained(
    model_id, revision=revision, num_labels=len(labels), ignore_mismatched_sizes=True{trust}
).eval()
tokenizer = AutoTokenizer.from_pretrained(model_id, revision=revision)
inputs = tokenizer({json.dumps(WIDGET[0])}, truncation=True, return_tensors="pt")
logits = model(**inputs).logits
print({report.as_task().decision})"""


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
    return "\n".join([*lines, ""])


def protocol_section(report: Report) -> str:
    """The section about the data: rows, splits, duplicates, and how the weights were chosen."""
    data, duplicates = report.data, report.duplicates
    name = escape_markdown(report.dataset)
    if report.dataset_id:
        name = f"[{name}](https://huggingface.co/datasets/{report.dataset_id})"
    if data["config"]:
        name += f", configuration {escape_markdown(data['config'])}"
    rows = ", ".join(f"{count:,} {part}" for part, count in data["rows"].items())
    lines = [f"- Data: {name}; rows: {rows}."]
    lines += [f"- {part.capitalize()} part: {data[part]}." for part in ("validation", "test")]
    if rare := data.get("rare_classes"):
        lines.append(f"- {escape_markdown(rare_in_words(rare))}")
    lines += [f"- Of {part}: {sample}." for part, sample in data["sampled"].items()]
    if taught := taught_in_words(report):
        lines.append(f"- Beside the labels it learned what a teacher said, {escape_markdown(taught)}.")
    if unlabelled := data.get("unlabelled"):
        file = escape_markdown(Path(unlabelled["file"]).name)
        lines.append(f"- Texts without labels: {unlabelled['rows']:,} of {file}; {left_out_in_words(unlabelled)}.")
    removed = "removed from train" if duplicates["removed"] else "left in train"
    lines.append(f"- Rows of train that stand in test word for word: {duplicates['train_in_test']}, {removed}.")
    if "train_in_validation" in duplicates:
        lines.append(f"- Rows of train that stand in validation: {duplicates['train_in_validation']}, {removed}.")
    chosen = "the best on validation" if report.best_step else "those of the last step"
    if report.members:
        weights = ", ".join(f"{member['weight']:.3f}" for member in report.members)
        combined = {
            "weights": f"The weights of the members ({weights}) were learned on validation, so it is not scored again",
            "mean": "All members weigh alike",
            "vote": "The members vote",
        }[report.recipe]
        lines.append(f"- {combined}; test chose nothing.")
    elif report.train_seconds and not report.refit:
        lines.append(f"- The weights are {chosen}; test was scored after that and chose nothing.")
    if report.refit:
        lines.append(f"- A first fit on train chose on validation how long to train: {chosen}.")
        lines.append(
            f"- The weights are those of a second fit of {report.refit['steps']:,} steps on the "
            f"{report.refit['rows']:,} rows of train and validation together. Scores of validation are of the first "
            "fit; test was scored once, by the second."
        )
    lines.append(
        f"- Recipe {escape_markdown(report.recipe)}, seed {report.seed}, fingerprint {report.fingerprint[:12]}."
    )
    return "\n".join(["## Data and protocol", "", *lines, ""])


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
        header = ("step", "epoch", "training loss", "validation loss", f"validation {ranking.name}")
        lines += [markdown_row(*header), markdown_row(*["---:"] * 5)]
        every = -(-len(curve) // CURVE_LINES)
        shown = [e for index, e in enumerate(curve) if index % every == 0 or e["step"] == report.best_step]
        for e in shown:
            loss = "" if e["loss"] is None else f"{e['loss']:.4f}"
            score = ranking.shown(e[f"eval_{ranking.key}"])
            lines.append(markdown_row(e["step"], f"{e['epoch']:.2f}", loss, f"{e['eval_loss']:.4f}", score))
        chosen = f"step {report.best_step or report.steps}"
        said = f"The weights are those of {chosen}."
        if report.refit:
            said = f"This is the first fit, of which {chosen} was chosen."
        lines += ["", said, ""]
    if report.train_seconds:
        speed = f"{report.train_tokens_per_second:,.0f} tokens a second, padding not counted"
        lines.append(f"- {time_in_words(report)} from the data files to the saved model; {speed}.")
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


def limits_section(report: Report) -> str:
    """The section about limits: what was not tested, and how many training texts were cut."""
    tested = f"the test part of {escape_markdown(report.dataset)}" if report.test else "nothing, not even a test part"
    if report.members:
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
