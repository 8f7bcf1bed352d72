"""`--flag_unlike`: what is unusual about a text for a model, beside the texts on which it was validated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import Rows
from sentiment_hf.common.layout import USUAL
from sentiment_hf.inference.abstain import companion
from sentiment_hf.inference.scorer import Inputs
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.text.languages import detect_languages
from sentiment_hf.text.usual import UsualTexts


@dataclass(frozen=True)
class Unlike:
    """Says of each text what is unusual about it for the model with this `tokenizer`."""

    usual: UsualTexts
    tokenizer: PreTrainedTokenizerBase

    @property
    def answers(self) -> dict[str, type]:
        """{column that it adds: its type}"""
        return {"unlike": str}

    def columns(self, texts: Inputs, probabilities: np.ndarray) -> dict[str, list]:
        """The column that it adds: reasons, None for a usual text."""
        return {"unlike": self.usual.unlike(texts_of(texts), self.tokenizer)}

    def objects(self, texts: Inputs, probabilities: np.ndarray) -> list[dict[str, str | None]]:
        """For each text, what it adds to the answer of `sentiment_hf.predict`."""
        return [{"unlike": reason} for reason in self.columns(texts, probabilities)["unlike"]]


def texts_of(texts: Inputs) -> Sequence[str]:
    """The texts, without the columns beside them."""
    return list(texts.texts if isinstance(texts, Rows) else texts)


def load_unlike(ref: ModelRef) -> Unlike:
    """What --flag_unlike asks for.

    Raises InputError: the model is of a kind that has no tokenizer of its own, or its run did not measure its texts.
    """
    if ref.kind in (Kind.BASELINE, Kind.ENSEMBLE):
        raise InputError(
            f"--flag_unlike: {ref.name} is {'a baseline' if ref.kind is Kind.BASELINE else 'an ensemble'}, which has "
            "no tokenizer; ask a checkpoint that was trained on the same texts, as a member of the ensemble"
        )
    # Imported late, because it imports torch, which a graph does without.
    if ref.kind is Kind.ONNX:
        from sentiment_hf.inference.onnx_graph import graph_tokenizers

        tokenizer = next(iter(graph_tokenizers(ref).values()))
    else:
        from sentiment_hf.models.checkpoint import checkpoint_tokenizer

        tokenizer = checkpoint_tokenizer(ref)
    file = companion(ref, USUAL)
    if file is None:
        raise InputError(
            f"--flag_unlike: {ref.name} has no {USUAL}, which a run writes that trains its model, since this version; "
            "train it again"
        )
    usual = UsualTexts.load(file)
    if usual.languages:
        # Before any text is read.
        detect_languages([])
    return Unlike(usual, tokenizer)
