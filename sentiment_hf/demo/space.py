"""The files of a Space with the page of one model of the Hub: app.py, requirements.txt and README.md.

Nothing here needs gradio, which the Space brings.
"""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import yaml

from sentiment_hf import __version__
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import CARD
from sentiment_hf.common.markdown import escape_markdown
from sentiment_hf.common.remote_code import code_references
from sentiment_hf.runs.card import card_title
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.model_ref import Kind, ModelRef

# The version that the page was tested with.
GRADIO = "6.31.0"

APP, REQUIREMENTS = "app.py", "requirements.txt"

# What stands behind the file beside this one.
LOADING = '''

# `sentiment-hf push --space` of version {version} wrote what follows; above stands its sentiment_hf/demo/app.py.
from transformers import pipeline

MODEL, REVISION = {model!r}, {commit!r}
EXAMPLES = [
{examples}
]

classifier = pipeline("text-classification", MODEL, revision=REVISION{trust})


def answer(text: str) -> dict[str, Any]:
    """What the model says of a text."""
    scores = {{row["label"]: row["score"] for row in classifier(text, top_k=None, truncation=True)}}
    return {answer}


with blank_page({title!r}) as page:
    text_tab([Model({name!r}, answer, {caption!r}, {note!r})], EXAMPLES)

if __name__ == "__main__":
    launch(page)
'''

ABOUT = """
# {title}

A page of [{model}](https://huggingface.co/{model}) at the commit `{commit}`: a text in, and what the model says of it.
Nothing that is typed in is stored. It was made by `sentiment-hf push --space`; the license is that of these files, and
that of the model is in its card.
"""


def require_space(ref: ModelRef) -> None:
    """Raise InputError unless `pipeline()` can load the model from the Hub, with code of a known commit."""
    if ref.kind is Kind.ADAPTER:
        raise InputError(
            f"--space: {ref.folder} is an adapter, and the page loads whole checkpoints; make one by `sentiment-hf "
            f"run --model {ref.folder} --do_eval --merge_adapter`, with the data flags that it was trained with"
        )
    if ref.kind is Kind.ONNX:
        raise InputError(
            f"--space: {ref.folder} is an ONNX graph, which `pipeline()` does not load; push the folder of its run"
        )
    if elsewhere := [code for code in code_references(ref.folder) if "--" in code]:
        raise InputError(
            f"--space: {ref.folder} runs code of another repository, {elsewhere[0].partition('--')[0]}, which may "
            "change at any time; the page runs only code that is pushed with the model"
        )


def space_files(
    ref: ModelRef, model: str, commit: str, files: Sequence[str], examples: Sequence[str]
) -> dict[str, str]:
    """{name: content} of the files of a Space that shows the model `model` of the Hub, pinned to `commit`.

    ref: the folder of the run that was pushed there.
    files: the names of the files that were, which are loaded when the Space is built.
    """
    report = Report.load(ref.folder)
    task, title = report.as_task(), card_title(report)
    name = model if task.scores_caption else f"{model}: {task.labels[0]}"
    app = Path(__file__).with_name(APP).read_text(encoding="utf-8") + LOADING.format(
        version=__version__,
        model=model,
        commit=commit,
        trust=", trust_remote_code=True" if code_references(ref.folder) else "",
        answer=task.pipeline_answer,
        title=title,
        name=name,
        caption=task.scores_caption,
        note=note_of(report),
        examples="\n".join(f"    {text!r}," for text in examples),
    )
    head = yaml.safe_dump(front_matter(title, model, commit, files), sort_keys=False, allow_unicode=True, width=1000)
    about = ABOUT.format(title=escape_markdown(title), model=model, commit=commit)
    # Without the name of a build, such as +cpu, which the index does not have.
    needed = [f"{package}=={version(package).partition('+')[0]}" for package in ("torch", "transformers")]
    return {APP: app, REQUIREMENTS: "\n".join([*needed, ""]), CARD: f"---\n{head}---\n{about}"}


def front_matter(title: str, model: str, commit: str, files: Sequence[str]) -> dict[str, object]:
    """What the Hub reads of README.md to build and to list the Space."""
    return {
        "title": title,
        "sdk": "gradio",
        "sdk_version": GRADIO,
        "app_file": APP,
        # A text, for 3.10 would be the number 3.1; its default is too old for transformers.
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "models": [model],
        "license": "apache-2.0",
        "preload_from_hub": [f"{model} {','.join(files)} {commit}"],
    }


def note_of(report: Report) -> str:
    """How the page reads texts otherwise than training did, in a sentence or two."""
    notes = []
    if report.windows:
        notes.append(f"Of a text of more than {report.max_seq_length} tokens the page reads only so many.")
    elif report.truncation == "head-tail":
        notes.append(f"Of a text of more than {report.max_seq_length} tokens the page reads the head, not the tail.")
    if "redacted" in report.data:
        notes.append("It was trained without e-mail addresses, phone numbers and the like, which the page leaves in.")
    if report.data["columns"].get("extra"):
        notes.append("The columns beside the text that it was trained with count as missing.")
    return " ".join(notes)
