"""The ladder of `choose`: models from cheap to dear, each a run by its own recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.task import Task

# The cheapest of all counts as the model that has learned nothing.
NGRAMS = "custom-ngram"
COUNTS = ("baseline-majority", "baseline-nb-svm", NGRAMS)
COUNTS_FOR_NUMBERS = ("baseline-ridge-tfidf", NGRAMS)
RECURRENT = "custom-gru"
NETWORKS = ("custom-fc", "custom-textcnn", RECURRENT)
TUNINGS = ("head", "lora", "full")


@dataclass(frozen=True)
class Rung:
    """A model of the ladder.

    name: its name, and that of its folder.
    words: flags of `sentiment-hf run`, of which --model is the first, without those of the data.
    counts: whether it counts words, which is done sooner than a guess how long it takes.
    baseline: whether it is a baseline, which cannot go on from where it was stopped.
    pretrained: whether it is a checkpoint.
    begins: flags of the language model, in `begun_in`, from which it starts; () for all others.
    """

    name: str
    words: tuple[str, ...]
    counts: bool = False
    baseline: bool = False
    pretrained: bool = False
    begins: tuple[str, ...] = ()
    begun_in: Path | None = None


def ladder(pretrained: Sequence[str], trust_remote_code: bool, task: Task) -> list[Rung]:
    """All rungs that want labels alone, the cheapest first; a `pretrained` model is a folder or a Hub id.

    Raises InputError if a folder of `pretrained` cannot be used, a name is that of a new model, or two have one name.
    """
    counts = COUNTS_FOR_NUMBERS if task.name == Regression.name else COUNTS
    rungs = [Rung(name, ("--model", name), counts=True, baseline=name != NGRAMS) for name in counts]
    rungs += [Rung(name, ("--model", name)) for name in NETWORKS]
    trusted = ("--trust_remote_code",) if trust_remote_code else ()
    refs = [ModelRef.parse(name, flag="--pretrained") for name in pretrained]
    for ref in refs:
        if ref.is_new:
            raise InputError(f"--pretrained {ref.name} is a new model, which is on the ladder; name checkpoints")
        if [one.short_name for one in refs].count(ref.short_name) > 1:
            raise InputError(f"--pretrained: two are called {ref.short_name}; give folders of different names")
    for tuning in TUNINGS:
        for name, short in zip(pretrained, [ref.short_name for ref in refs], strict=True):
            words = ("--model", name, "--tuning", tuning, "--bf16", "auto", *trusted)
            rungs.append(Rung(f"{short}-{tuning}".lower(), words, pretrained=True))
    return rungs


def from_words_rung(folder: Path, unlabelled: str) -> Rung:
    """The recurrent network that begins as a language model, made in `folder`, of texts without labels."""
    name = f"{RECURRENT}-from-words"
    words = folder / f"{name}-words"
    begins = ("--model", RECURRENT, "--objective", "words", "--unlabelled_file", unlabelled)
    return Rung(name, ("--model", str(words)), begins=begins, begun_in=words)


def taught_rung(teacher: Path, unlabelled: str) -> Rung:
    """The n-grams that learn from the best model what it says of texts without labels."""
    words = ("--model", NGRAMS, "--teacher", str(teacher), "--unlabelled_file", unlabelled)
    return Rung(f"{NGRAMS}-taught-by-{teacher.name}", words, counts=True)
