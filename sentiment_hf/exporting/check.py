"""Compares a graph with its model, at shapes and texts that it was not made with."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.exporting.source import Source
from sentiment_hf.inference.onnx_graph import open_session, run_session
from sentiment_hf.text.encode import encode

# The largest difference of a logit, per unit of the largest logit where that is above 1.
TOLERANCE = 1e-4

# The longest text by which a graph is compared, if the model takes longer ones.
LONGEST = 512

# An empty text, blanks, one letter, what no vocabulary has, a text of one word again and again, and a usual one.
TEXTS = ["", "   ", "a", "\x00\ufffd 𝕬🤷🏽‍♀️ ' \" <br /> [CLS] [PAD]", "good " * 40, "It was not a bad film, I'd say."]


def example(source: Source, shape: tuple[int, int], left: bool = False) -> dict[str, Tensor]:
    """Inputs of a model: random tokens, and cells. Each member of an ensemble has a token more than the one before."""
    batch, length = shape
    inputs = column_example(source.columns, batch, torch.Generator().manual_seed(batch * length))
    for more, (suffix, tokenizer) in enumerate(source.tokenizers.items()):
        tokens = token_example(tokenizer, (batch, min(length + more, longest(tokenizer))), left)
        inputs |= {f"{name}{suffix}": values for name, values in tokens.items()}
    return inputs


def token_example(tokenizer: PreTrainedTokenizerBase, shape: tuple[int, int], left: bool) -> dict[str, Tensor]:
    """Random tokens, the last row with padding if it is long enough, on the right or `left`."""
    batch, length = shape
    ids = torch.randint(len(tokenizer), shape, generator=torch.Generator().manual_seed(batch * length))
    mask = torch.ones_like(ids)
    if length > 2:
        padding = slice(0, length // 2) if left else slice(length - length // 2, length)
        ids[-1, padding], mask[-1, padding] = tokenizer.pad_token_id, 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if "token_type_ids" in tokenizer.model_input_names:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    return inputs


def text_example(tokenizer: PreTrainedTokenizerBase, text: str) -> dict[str, Tensor]:
    """The tokens of a text."""
    encoded = encode([text], tokenizer, longest(tokenizer))
    inputs = {name: torch.tensor(values) for name, values in encoded.items()}
    return inputs | {"attention_mask": torch.ones_like(inputs["input_ids"])}


def longest(tokenizer: PreTrainedTokenizerBase) -> int:
    """The tokens of the longest text by which a graph is compared."""
    return min(tokenizer.model_max_length, LONGEST)


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


def examples(source: Source) -> Iterator[dict[str, Tensor]]:
    """Yield inputs of other shapes than `TRACED`, padded on either side, and those of hostile texts."""
    most = max(map(longest, source.tokenizers.values()))
    for shape in ((1, 1), (1, 2), (2, 3), (5, 64), (1, most), (2, most)):
        for left in (False, True):
            yield example(source, shape, left)
    for text in TEXTS:
        inputs = column_example(source.columns, 1, torch.Generator().manual_seed(0))
        for suffix, tokenizer in source.tokenizers.items():
            inputs |= {f"{name}{suffix}": values for name, values in text_example(tokenizer, text).items()}
        yield inputs


@torch.inference_mode()
def require_equal(file: Path, source: Source) -> float:
    """The largest difference between a logit of the graph and one of the model.

    Raises InputError if it is above `TOLERANCE`, or the graph fails at a shape.
    """
    session, worst = open_session(file), 0.0
    for inputs in examples(source):
        expected = source.model(**inputs).logits.numpy()
        ids = [values for name, values in inputs.items() if name.startswith("input_ids")]
        shape = " and ".join(f"{len(one)} x {one.shape[1]}" for one in ids)
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
