"""A classifier as an ONNX graph: from the inputs of its tokenizer, and the columns beside the text, to its logits."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from onnxscript import opset18 as op
from torch import Tensor, nn

from sentiment_hf.common.errors import InputError

LOGITS = "logits"

# What the names of the inputs with an axis for the tokens begin with; of the members of an ensemble a number follows.
TOKEN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")

# Tokens of the rows by which a graph is traced. With one row, the exporter takes the batch for a constant.
TRACED = (3, 11)

# The number of 64-bit integers among the types of ONNX.
INT64 = 7


class Logits(nn.Module):
    """The model with inputs by place, of which the exporter wants to know the names, and a tensor for its output."""

    def __init__(self, model: nn.Module, names: Sequence[str]):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs in the order of `names` -> (batch, outputs)."""
        return self.model(**dict(zip(self.names, inputs, strict=True))).logits


def sort_stable(self: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """`aten.sort.stable` for the exporter, which lacks it: TopK puts the lower index first where values are equal."""
    size = op.Gather(op.Shape(self), op.Constant(value_ints=[dim]))
    return op.TopK(op.Cast(self, to=INT64), size, axis=dim, largest=descending, sorted=True)


def rnn_tanh(
    input: Any, hx: Any, params: Any, has_biases: Any, num_layers: Any, dropout: Any, train: Any, bidirectional: Any,
    batch_first: Any,
) -> Any:  # fmt: skip
    """`aten.rnn_tanh` for the exporter, which lacks it: one layer in one direction, with biases, as our cells are."""
    weight, recurrence, input_bias, state_bias = params
    first = op.Constant(value_ints=[0])
    bias = op.Unsqueeze(op.Concat(input_bias, state_bias, axis=0), first)
    texts = op.Transpose(input, perm=[1, 0, 2])
    layers = op.Unsqueeze(weight, first), op.Unsqueeze(recurrence, first)
    states, last = op.RNN(texts, *layers, bias, None, hx, hidden_size=weight.shape[0])
    return op.Transpose(op.Squeeze(states, op.Constant(value_ints=[1])), perm=[1, 0, 2]), last


def searchsorted(
    sorted_sequence: Any, self: Any, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Any = None,
) -> Any:  # fmt: skip
    """`aten.searchsorted.Tensor` for the exporter, which lacks it: bisection, to the left of equal values."""
    count = sorted_sequence.shape[0]
    one, two, last = (op.Constant(value_int=number) for number in (1, 2, count - 1))
    low = op.Sub(self, self)
    high = op.Add(low, op.Constant(value_int=count))
    for _ in range(count.bit_length()):
        middle = op.Div(op.Add(low, high), two)
        # A search that has ended stays: there `low` is `high`, which may be behind the last.
        below = op.And(op.Less(op.Gather(sorted_sequence, op.Min(middle, last)), self), op.Less(low, high))
        low, high = op.Where(below, op.Add(middle, one), low), op.Where(below, high, middle)
    return low


TRANSLATIONS = {torch.ops.aten.searchsorted.Tensor: searchsorted}
TRANSLATIONS |= {torch.ops.aten.sort.stable: sort_stable, torch.ops.aten.rnn_tanh.input: rnn_tanh}


def write_graph(model: nn.Module, inputs: Mapping[str, Tensor], file: Path) -> None:
    """Write the graph of a model; `inputs` are an example of at least two rows.

    Batch and length are free, and so is the batch of the columns beside the text.

    Raises InputError if the model has an operation that the exporter does not know.
    """
    free = torch.export.Dim.AUTO
    shapes = tuple(dict.fromkeys(range(2 if name.startswith(TOKEN_INPUTS) else 1), free) for name in inputs)
    names = list(inputs)
    try:
        with quiet_exporter(), torch.no_grad():
            torch.onnx.export(
                Logits(model, names),
                tuple(inputs.values()),
                str(file),
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=names,
                output_names=[LOGITS],
                dynamic_shapes={"inputs": shapes},
                custom_translation_table=TRANSLATIONS,
            )
    except Exception as error:
        # The exporter has many kinds of errors of its own, with a page of text each.
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"the model cannot be exported to ONNX ({type(error).__name__}): {reason}") from error
    tidy(file)


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the notes of the exporter, which are about its own parts, and the pages that it prints of an error."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def tidy(file: Path) -> None:
    """Call the axes batch and length (length_0 of a member), and leave out where in the code each node comes from.

    That is most of the size of a small graph, and names folders of this machine.
    """
    import onnx

    graph = onnx.load(file)
    nodes = [*graph.graph.node, *(node for function in graph.functions for node in function.node)]
    for place in (graph, graph.graph, *graph.functions, *nodes, *graph.graph.initializer):
        del place.metadata_props[:]
        place.doc_string = ""
    for value in (*graph.graph.input, *graph.graph.output):
        dims = value.type.tensor_type.shape.dim
        dims[0].dim_param = "batch"
        if token_input := next(filter(value.name.startswith, TOKEN_INPUTS), None):
            dims[1].dim_param = value.name.replace(token_input, "length")
    # The shapes in between have the old names.
    del graph.graph.value_info[:]
    onnx.save(graph, file)
