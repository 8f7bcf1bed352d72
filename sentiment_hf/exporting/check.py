"""Compares a graph with its model, at shapes and texts that it was not made with."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.exporting.graph import TRACED
from sentiment_hf.inference.onnx_graph import open_session, run_session
from sentiment_hf.text.encode import encode

# The largest difference of a logit, per unit of the largest logit where that is above 1.
TOLERANCE = 1e-4

# The longest text by which a graph is compared, if the model takes longer ones.
LONGEST = 512

# An empty text, blanks, one letter, what no vocabulary has, a text of one word again and again, and a usual one.
TEXTS = ["", "   ", "a", "\x00\ufffd 𝕬🤷🏽‍♀️ ' \" <br /> [CLS] [PAD]", "good " * 40, "It was not a bad film, I'd say."]


def example(
    tokenizer: PreTrainedTokenizerBase, columns: ColumnSchema | None, shape: tuple[int, int], left: bool = False
) -> dict[str, Tensor]:
    """Inputs of a model: random tokens, the last row with padding if it is long enough, on the right or `left`."""
    batch, length = shape
    draw = torch.Generator().manual_seed(batch * length)
    ids = torch.randint(len(tokenizer), shape, generator=draw)
    mask = torch.ones_like(ids)
    if length > 2:
        padding = slice(0, length // 2) if left else slice(length - length // 2, length)
        ids[-1, padding], mask[-1, padding] = tokenizer.pad_token_id, 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if "token_type_ids" in tokenizer.model_input_names:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    return inputs | column_example(columns, batch, draw)


def column_example(columns: ColumnSchema | None, batch: int, draw: torch.Generator) -> dict[str, Tensor]:
    """Cells of the columns beside the text, the first of each missing."""
    if columns is None:
        return {}
    numbers = torch.randn(batch, len(columns.numbers), generator=draw)
    numbers[0] = torch.nan
    codes = [torch.randint(len(values) + 1, (batch,), generator=draw) for values in columns.categories.values()]
    categories = torch.stack(codes, 1) if codes else torch.empty(batch, 0)
    categories[0] = 0
    return {"column_numbers": numbers, "column_categories": categories.to(torch.int32)}


def examples(tokenizer: PreTrainedTokenizerBase, columns: ColumnSchema | None) -> Iterator[dict[str, Tensor]]:
    """Yield inputs of other shapes than `TRACED`, padded on either side, and those of hostile texts."""
    longest = min(tokenizer.model_max_length, LONGEST)
    for shape in ((1, 1), (1, 2), (2, 3), (5, min(64, longest)), (1, longest), (2, longest)):
        for left in (False, True):
            yield example(tokenizer, columns, shape, left)
    for text in TEXTS:
        rows = {name: torch.tensor(values) for name, values in encode([text], tokenizer, longest).items()}
        rows["attention_mask"] = torch.ones_like(rows["input_ids"])
        cells = column_example(columns, 1, torch.Generator().manual_seed(0))
        yield {name: rows[name] for name in example(tokenizer, None, TRACED)} | cells


@torch.inference_mode()
def require_equal(
    file: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, columns: ColumnSchema | None
) -> float:
    """The largest difference between a logit of the graph and one of the model.

    Raises InputError if it is above `TOLERANCE`, or the graph fails at a shape.
    """
    session, worst = open_session(file), 0.0
    for inputs in examples(tokenizer, columns):
        expected = model(**inputs).logits.numpy()
        shape = " x ".join(map(str, inputs["input_ids"].shape))
        try:
            found = run_session(session, {name: values.numpy() for name, values in inputs.items()})
        except RuntimeError as error:
            raise InputError(f"the exported graph fails on {shape} tokens: {' '.join(str(error).split())}") from error
        difference = float(np.abs(found - expected).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise InputError(
                f"the exported graph gives other logits than the model on {shape} tokens, by {difference:.2g}; "
                f"at most {TOLERANCE:g} was expected, so it was not kept"
            )
        worst = max(worst, difference)
    return worst
