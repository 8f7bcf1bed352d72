"""Integrated gradients (Sundararajan et al. 2017): the gradients on the way from no words to a text, by captum."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from custom_models.base import TextModel
from custom_models.ngram import NGramConfig
from sentiment_hf.common.errors import InputError, extra_explained
from sentiment_hf.explaining.tokens import TokenRow

# Steps on the way: so many at first, and then more, until the scores are complete.
STEPS = (16, 32, 64, 128, 256, 512)
# Steps that are computed together.
TOGETHER = 16
# How far the sum of the scores may be from the change of the output, as a share of the sum of their sizes.
TOLERANCE = 0.02


class IncompleteError(InputError):
    """The scores of a text do not add up to what its words change, so they explain nothing."""


def require_captum() -> None:
    """Raise InputError if captum is not installed."""
    with extra_explained("explain"):
        import captum.attr  # noqa: F401


def has_gradients(model: PreTrainedModel) -> bool:
    """Whether gradients reach the vectors of the words: a frozen encoder stops them, and n-grams have none."""
    if model.config.model_type == NGramConfig.model_type:
        return False
    if isinstance(model, TextModel) and model.config.encoder is not None:
        return False
    try:
        return isinstance(model.get_input_embeddings(), nn.Embedding)
    except NotImplementedError:
        return False


def integrated_gradients(
    model: PreTrainedModel, row: TokenRow, more: Mapping[str, Tensor], directions: np.ndarray, pad: int
) -> np.ndarray:
    """(tokens, directions) what the tokens add to logits @ directions.T, if the token `pad` stood in their place.

    more: further inputs of the model, (1, ...), such as columns beside the text. Special tokens stay, and have 0.

    Raises IncompleteError if the scores of the tokens do not add up to the change of the output: the gradients do not
    reach the words, or the output jumps on the way, as that of a recurrent network may on a long text.
    """
    # Imported late, because it imports matplotlib.
    from captum.attr import LayerIntegratedGradients

    inputs = {name: tensor.to(model.device) for name, tensor in (*row.inputs.items(), *more.items())}
    ids = inputs.pop("input_ids")
    nothing = torch.where(torch.from_numpy(row.special).to(ids.device), ids, pad)
    table, scores = model.get_input_embeddings(), np.empty((ids.shape[1], len(directions)))
    # The kernels of cuDNN for recurrent layers have no gradients outside of training.
    with torch.backends.cudnn.flags(enabled=False):
        for index, direction in enumerate(torch.tensor(directions, dtype=torch.float32, device=model.device)):
            run = output_of(model, list(inputs), direction)
            others = tuple(inputs.values())
            change = change_of(run, table if is_known(model) else None, ids, nothing, others)
            gradients = LayerIntegratedGradients(run, table)
            for steps in STEPS:
                values = gradients.attribute(
                    ids, nothing, additional_forward_args=others, n_steps=steps, internal_batch_size=TOGETHER
                )
                scores[:, index] = values.detach().double().sum(-1)[0].cpu().numpy()
                if is_complete(scores[:, index], change):
                    break
            else:
                raise incomplete(scores[:, index], change)
    return scores


def output_of(model: PreTrainedModel, names: list[str], direction: Tensor) -> Callable[..., Tensor]:
    """(batch, tokens) ids, and the inputs called `names` -> (batch,) logits in this direction, as captum calls it."""

    def run(ids: Tensor, *others: Tensor) -> Tensor:
        logits = model(input_ids=ids, **dict(zip(names, others, strict=True))).logits
        return logits.float() @ direction

    return run


def is_known(model: PreTrainedModel) -> bool:
    """Whether the model has the code of a library or ours, which take words by their vectors alone."""
    return type(model).__module__.partition(".")[0] in ("transformers", "custom_models")


@torch.no_grad()
def change_of(
    run: Callable[..., Tensor], table: nn.Embedding | None, ids: Tensor, nothing: Tensor, others: tuple[Tensor, ...]
) -> float:
    """How far the text moves the output from where the vectors of `nothing` stand in the place of its own.

    With a `table` of vectors the ids stay those of the text: the model may take from them where padding begins, or
    sentences end. Without one, the ids of `nothing` are given.
    """
    whole = run(ids, *others)
    if table is None:
        return float(whole - run(nothing, *others))
    hook = table.register_forward_hook(lambda *_: nn.functional.embedding(nothing, table.weight))
    try:
        return float(whole - run(ids, *others))
    finally:
        hook.remove()


def is_complete(scores: np.ndarray, change: float) -> bool:
    """Whether (tokens,) scores add up to the change."""
    return abs(scores.sum() - change) <= max(TOLERANCE * np.abs(scores).sum(), 1e-5)


def incomplete(scores: np.ndarray, change: float) -> IncompleteError:
    """The error for scores that explain nothing."""
    return IncompleteError(
        f"integrated gradients fail: the scores of the words add up to {scores.sum():.3g}, and the words change the "
        f"output by {change:.3g}, also with {STEPS[-1]} steps; give --method deletion"
    )
