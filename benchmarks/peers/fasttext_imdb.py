"""fastText with bigrams: python -m benchmarks.peers.fasttext_imdb train path/to/imdb"""

import re
import tempfile
from pathlib import Path

import fasttext

from benchmarks.peers.program import Library, main

PREFIX = "__label__"

# The settings of the classification tutorial of fastText with bigrams.
SETTINGS = {"lr": 0.5, "epoch": 5, "wordNgrams": 2, "dim": 10, "thread": 2, "verbose": 0}
TOKEN = re.compile(r"\w+|[^\w\s]")


def as_line(text: str) -> str:
    """Lower-case words and punctuation marks, separated by spaces, without line breaks."""
    return " ".join(TOKEN.findall(text.lower()))


def train(texts: list[str], labels: list):
    """A trained model; fastText reads its texts from a file."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.writelines(f"{PREFIX}{label} {as_line(text)}\n" for text, label in zip(texts, labels, strict=True))
        file.flush()
        return fasttext.train_supervised(file.name, **SETTINGS)


def predict(model, texts: list[str]) -> list[str]:
    """The label of each text. A list is what this version predicts with numpy 2; of one string it fails."""
    return [labels[0].removeprefix(PREFIX) for labels in model.predict([as_line(text) for text in texts])[0]]


def save(model, file: Path) -> None:
    """Write the model."""
    model.save_model(str(file))


def load(file: Path):
    """Read a model."""
    return fasttext.load_model(str(file))


if __name__ == "__main__":
    main(Library(train, predict, save, load), __doc__)
