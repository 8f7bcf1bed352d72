"""The tab of the page where a file goes in and comes out labelled, by the code of `predict --file`."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp

import gradio as gr

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.files import SUFFIXES
from sentiment_hf.data.lines import LINES_SUFFIX
from sentiment_hf.demo.app import ONE_AT_A_TIME
from sentiment_hf.demo.models import shown_error
from sentiment_hf.inference.predict_file import TableArguments, predict_file
from sentiment_hf.inference.scorer import Scorer
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.csv_settings import CsvSettings

# What is written with the suffix of what was read; of other kinds csv is made.
SAME = (".csv", ".jsonl", ".parquet")
BATCH_SIZE = 64
COLUMNS = "Text columns"


def file_tab(scorers: Mapping[str, Scorer], folder: Path) -> None:
    """Fill a tab. Results are made in `folder`, from where the page deletes them."""
    names = list(scorers)
    gr.Markdown(f"{', '.join(SUFFIXES)} with a text column, or {LINES_SUFFIX} with a text in each line.")
    with gr.Row():
        # Without `file_types`, which refuses other files with a traceback, and not with the sentence of `predict`.
        file = gr.File(label="File")
        labelled = gr.File(label="Labelled", interactive=False)
    with gr.Row():
        model = gr.Dropdown(names, value=names[0], label="Model", visible=len(names) > 1)
        columns = gr.Textbox(label=COLUMNS, placeholder="those that the model was trained on")
    button = gr.Button("Label the file", variant="primary")

    def label(file: str | None, model: str, columns: str) -> str:
        if file is None:
            raise shown_error("There is no file yet: choose one.")
        return str(labelled_file(Path(file), scorers[model], columns.strip() or None, folder))

    button.click(label, [file, model, columns], labelled, api_name="label", **ONE_AT_A_TIME)


def labelled_file(file: Path, scorer: Scorer, columns: str | None, folder: Path) -> Path:
    """The rows of a file with what the model says of them, as a file below `folder`; raises gr.Error with a sentence.

    columns: the names of the text columns, separated by commas; None for those that the model was trained on.
    """
    home = Path(mkdtemp(dir=folder))
    suffix = file.suffix.lower()
    output = home / f"{file.stem}-labelled{suffix if suffix in SAME else '.csv'}"
    table = TableArguments(
        file=file,
        output=output,
        csv=CsvSettings(),
        csv_raw=False,
        max_data_bytes=DataArguments.max_data_bytes,
        # Nothing of the file stays anywhere.
        cache=Cache(),
        text_column_names=columns,
        text_column_delimiter=None,
        batch_size=BATCH_SIZE,
    )
    try:
        predict_file(table, scorer)
    except InputError as error:
        shutil.rmtree(home)
        raise shown_error(on_the_page(str(error), file)) from error
    return output


def on_the_page(sentence: str, file: Path) -> str:
    """A sentence of `predict --file` with the name that the file had, and what the page has in place of flags."""
    for found, shown in {"--file ": "", f"{file.parent}/": "", "--text_column_names": f"'{COLUMNS}'"}.items():
        sentence = sentence.replace(found, shown)
    return sentence
