"""`Scorer`: classifies texts by a checkpoint, an adapter, a fitted baseline or an ensemble."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import READING
from sentiment_hf.inference.ensemble import load_ensemble
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.task import Task

# Texts are tokenized, and sorted by length, within pools of this many batches. The results of a pool come together.
BATCHES_PER_POOL = 32


@dataclass(frozen=True)
class Scorer:
    """A model that is ready to classify.

    task: the task with the labels of the model.
    score: texts and the number of texts in a batch -> (texts, outputs) probabilities.
    reading: the columns that the model was trained on; None if they are not known.
    """

    task: Task
    score: Callable[[list[str], int], np.ndarray]
    reading: Reading | None

    def classify(self, texts: Sequence[str], batch_size: int) -> np.ndarray:
        """(texts, outputs) probabilities in the order of `texts`; raises what `classify_pools` raises."""
        return np.concatenate([np.empty((0, len(self.task.labels))), *self.classify_pools(texts, batch_size)])

    def classify_pools(self, texts: Sequence[str], batch_size: int) -> Iterator[np.ndarray]:
        """Yield the (some texts, outputs) probabilities of one pool of texts after the other.

        Raises InputError if the model refuses a text, or a probability is not finite.
        """
        pool = BATCHES_PER_POOL * batch_size
        with tqdm(total=len(texts), desc="Classifying", disable=len(texts) <= batch_size) as bar:
            for start in range(0, len(texts), pool):
                probabilities = self.score(list(texts[start : start + pool]), batch_size)
                if len(broken := np.flatnonzero(~np.isfinite(probabilities).all(axis=1))):
                    raise InputError(
                        f"the probabilities of text {start + broken[0] + 1:,} of {len(texts):,} are not finite: the "
                        "weights of the model are damaged, or its numbers overflow on this text"
                    )
                bar.update(len(probabilities))
                yield probabilities


def load_scorer(ref: ModelRef, device: str | None = None) -> Scorer:
    """Load the model that `ref` names, on a `device` as torch names it (None: the accelerator if there is one).

    Raises:
        InputError: the model cannot be loaded, or it is a new model, which is not trained.
    """
    if ref.is_new:
        raise InputError(
            f"{ref.name} is a new model, which is not trained: train it by `sentiment-hf run --model {ref.name}` "
            f"and name the folder of the run; a folder of that name is ./{ref.name}"
        )
    if ref.kind is Kind.ENSEMBLE:
        return ensemble_scorer(ref, device)
    # Each kind needs other packages. They are imported only for that kind, and after the checks that do without them.
    if ref.kind is Kind.BASELINE:
        from sentiment_hf.baselines.outputs import outputs_of
        from sentiment_hf.baselines.storage import load_baseline

        estimator, task = load_baseline(ref)
        return Scorer(task, lambda texts, _: outputs_of(estimator, texts), Reading.load(ref.folder / READING))
    require_checkpoint(ref)
    from sentiment_hf.inference.classifier import load_classifier

    return Scorer(*load_classifier(ref, device))


def ensemble_scorer(ref: ModelRef, device: str | None) -> Scorer:
    """The scorer of an ensemble. The outputs of each member are put into the order of the labels of the ensemble."""
    ensemble = load_ensemble(ref.folder)
    task, members = ensemble.task, []
    for folder in ensemble.folders:
        member = ModelRef.in_folder(folder, trust_remote_code=ref.trust_remote_code, flag=ref.flag)
        scorer = load_scorer(member, device)
        order = [scorer.task.labels.index(label) for label in task.labels]
        members.append((scorer, scorer.task.in_order(task.labels), order))

    def score(texts: list[str], batch_size: int) -> np.ndarray:
        probabilities = np.stack([scorer.score(texts, batch_size)[:, order] for scorer, _, order in members])
        # Each member has thresholds of its own.
        chosen = [own.decide(found) for (_, own, _), found in zip(members, probabilities, strict=True)]
        return ensemble.combine(probabilities, np.stack(chosen))

    # Members are on the same data, so the columns of one are those of all.
    return Scorer(task, score, members[0][0].reading)
