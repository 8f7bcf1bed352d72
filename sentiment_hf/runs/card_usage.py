"""The section of a model card with code that classifies a text, by the checkpoint, an adapter or a graph."""

import json

from huggingface_hub import ModelCard

from custom_models import OWN_CODE
from sentiment_hf.common.markdown import escape_markdown
from sentiment_hf.runs.report import Report

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

# How a model reads that was trained with --redact.
REDACTED = (
    "In training e-mail addresses, URLs, card, IBAN, IP and phone numbers were replaced by placeholders such as "
    "[EMAIL]. `sentiment-hf predict` replaces them; {reader} reads a text as it is given."
)

# The texts of the examples, which are of nobody's data.
WIDGET = ("I would see it again tomorrow.", "Two hours that I want back.")


def pinned_card(text: str, repo_id: str, revision: str, license_name: str | None, base_model: str | None) -> str:
    """The card `text` with code that loads `revision` of `repo_id`; license and base model are set if given."""
    card = ModelCard(text)
    if license_name:
        card.data.license = license_name
    if base_model:
        card.data.base_model = base_model
    return str(card).replace(LOCAL, f'model_id, revision = "{repo_id}", "{revision}"')


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
    if "redacted" in report.data:
        notes.append(REDACTED.format(reader="`pipeline()`"))
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
    if "redacted" in report.data:
        notes.append(REDACTED.format(reader="this code"))
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
