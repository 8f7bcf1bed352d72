"""The model card of a language model."""

from pathlib import Path

import yaml

from sentiment_hf.common.files import atomic_write
from sentiment_hf.common.layout import CARD
from sentiment_hf.runs.report import Report, left_out_in_words, redacted_in_words, time_in_words, words_summary


def write_language_card(folder: Path, report: Report) -> None:
    """Write README.md: what the model is, how a classifier is made of it, and what it was trained on."""
    with atomic_write(folder / CARD) as temporary:
        temporary.write_text(language_card(report), encoding="utf-8")


def language_card(report: Report) -> str:
    """The text of the card."""
    metadata = {"library_name": "transformers", "tags": ["language-model", "sentiment_hf"]}
    metadata |= {"license": report.license} if report.license else {}
    metadata |= {"base_model": report.base_model} if report.base_model else {}
    unlabelled = report.data.get("unlabelled")
    texts = [f"- {report.data['rows']['train']:,} texts of the train part of {report.dataset}, without their labels."]
    if unlabelled:
        file = Path(unlabelled["file"]).name
        texts.append(f"- {unlabelled['rows']:,} texts of {file}; {left_out_in_words(unlabelled)}.")
    if "redacted" in report.data:
        texts.append(f"- Personal data were replaced by placeholders (`--redact`): {redacted_in_words(report.data)}.")
    scores = [f"- Validation, which it was not trained on: {words_summary(report.validation)}."]
    lines = [
        "---",
        yaml.safe_dump(metadata, sort_keys=False).strip(),
        "---",
        "",
        f"# {report.model_type} that knows words",
        "",
        "A language model whose body is that of a classifier. It has no outputs for labels; a classifier starts from",
        "its weights:",
        "",
        "```bash",
        "sentiment-hf run --model FOLDER_OR_ID --train_file reviews.csv",
        "```",
        "",
        "## Texts",
        "",
        *texts,
        *(scores if report.validation else []),
        "",
        "## Training",
        "",
        f"- {report.parameters:,} parameters, {report.epochs:.1f} epochs, {time_in_words(report)}, {report.device}.",
        f"- `{report.command}`",
        "",
    ]
    return "\n".join(lines)
