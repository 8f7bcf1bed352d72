"""RNN, GRU and LSTM with layers, in one or both directions, with fused kernels or as textbook equations.

Texts are padded on the right and not packed, because packing is much slower on a CPU and prevents export. For the
backward direction each text is flipped within its own length. Output and gradient are the same as with packing.
"""

from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.func import functional_call

from .base import PooledClassifier, TextClassifierConfig, TextEncoder, take


@strict
class RecurrentConfig(TextClassifierConfig):
    """`hidden_size` is per direction. `dropout` is also between layers, `weight_dropout` on the recurrent weights."""

    num_layers: int = 1
    bidirectional: bool = False
    weight_dropout: float | int = 0.0
    pooling: Literal["last", "mean", "max", "attention", "concat"] = "last"
    implementation: Literal["fused", "reference"] = "fused"


@strict
class RNNConfig(RecurrentConfig):
    """An Elman network."""

    model_type = "custom-rnn"


@strict
class GRUConfig(RecurrentConfig):
    """Gated recurrent units."""

    model_type = "custom-gru"


@strict
class LSTMConfig(RecurrentConfig):
    """Long short-term memory."""

    model_type = "custom-lstm"


class ReferenceRNN(nn.RNN):
    """Elman 1990: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), h_0 = 0."""

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, length, input) -> states (batch, length, hidden), last state (batch, hidden)."""
        hidden = inputs.new_zeros(inputs.shape[0], self.hidden_size)
        states = []
        for x in inputs.unbind(1):
            hidden = torch.tanh(
                x @ self.weight_ih_l0.T + self.bias_ih_l0 + hidden @ self.weight_hh_l0.T + self.bias_hh_l0
            )
            states.append(hidden)
        return torch.stack(states, 1), hidden


class ReferenceGRU(nn.GRU):
    """Cho et al. 2014, with the reset gate applied after the matrix product as in cuDNN:

    r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)             reset gate
    z_t = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)             update gate
    n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_{t-1} + b_hn))        candidate
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}
    """

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, length, input) -> states (batch, length, hidden), last state (batch, hidden)."""
        hidden = inputs.new_zeros(inputs.shape[0], self.hidden_size)
        states = []
        for x in inputs.unbind(1):
            from_input = x @ self.weight_ih_l0.T + self.bias_ih_l0
            from_state = hidden @ self.weight_hh_l0.T + self.bias_hh_l0
            input_reset, input_update, input_new = from_input.chunk(3, -1)
            state_reset, state_update, state_new = from_state.chunk(3, -1)
            reset = torch.sigmoid(input_reset + state_reset)
            update = torch.sigmoid(input_update + state_update)
            candidate = torch.tanh(input_new + reset * state_new)
            hidden = (1 - update) * candidate + update * hidden
            states.append(hidden)
        return torch.stack(states, 1), hidden


class ReferenceLSTM(nn.LSTM):
    """Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000:

    i_t = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)             input gate
    f_t = sigmoid(W_if x_t + b_if + W_hf h_{t-1} + b_hf)             forget gate
    g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)                candidate
    o_t = sigmoid(W_io x_t + b_io + W_ho h_{t-1} + b_ho)             output gate
    c_t = f_t * c_{t-1} + i_t * g_t                                  cell state
    h_t = o_t * tanh(c_t)
    """

    def forward(self, inputs: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(batch, length, input) -> states (batch, length, hidden), (last state, last cell), each (batch, hidden)."""
        hidden = cell = inputs.new_zeros(inputs.shape[0], self.hidden_size)
        states = []
        for x in inputs.unbind(1):
            gates = x @ self.weight_ih_l0.T + self.bias_ih_l0 + hidden @ self.weight_hh_l0.T + self.bias_hh_l0
            input_gate, forget_gate, candidate, output_gate = gates.chunk(4, -1)
            cell = torch.sigmoid(forget_gate) * cell + torch.sigmoid(input_gate) * torch.tanh(candidate)
            hidden = torch.sigmoid(output_gate) * torch.tanh(cell)
            states.append(hidden)
        return torch.stack(states, 1), (hidden, cell)


class RecurrentModel(TextEncoder):
    """Recurrent layers. A bidirectional layer joins the states of both directions for the next layer."""

    cells: dict[str, type[nn.RNNBase]]

    def build(self, config: RecurrentConfig):
        """Create one cell for each layer and direction."""
        cell = self.cells[config.implementation]
        self.reads_both_ways = config.bidirectional
        self.state_size = config.hidden_size * (2 if config.bidirectional else 1)
        inputs = [config.embedding_size, *[self.state_size] * (config.num_layers - 1)]
        self.forward_cells = nn.ModuleList(cell(n, config.hidden_size, batch_first=True) for n in inputs)
        if config.bidirectional:
            self.backward_cells = nn.ModuleList(cell(n, config.hidden_size, batch_first=True) for n in inputs)

    def states(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, embedding), (batch, length) -> (batch, length, hidden, or twice that in both directions)."""
        hidden = embedded
        flip = flip_order(mask)
        for index, forward_cell in enumerate(self.forward_cells):
            layer_input = self.dropout(hidden) if index > 0 else hidden
            hidden = self.read(forward_cell, layer_input)
            if self.config.bidirectional:
                flipped = self.read(self.backward_cells[index], take(layer_input, flip))
                hidden = torch.cat((hidden, take(flipped, flip)), -1)
        return hidden

    def read(self, cell: nn.RNNBase, inputs: Tensor) -> Tensor:
        """(batch, length, input) -> (batch, length, hidden), in training with DropConnect on the recurrent weights.

        The dropped weights are the same for all time steps and texts of a batch (Merity et al. 2017, section 2).
        """
        rate = self.config.weight_dropout
        if not self.training or rate == 0:
            return cell(inputs)[0]
        dropped = {"weight_hh_l0": nn.functional.dropout(cell.weight_hh_l0, rate)}
        return functional_call(cell, dropped, inputs)[0]


def flip_order(mask: Tensor) -> Tensor:
    """(batch, length) mask -> (batch, length) positions that flip each text within its length; its own inverse."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    mirrored = mask.sum(1, keepdim=True) - 1 - positions
    return torch.where(mirrored >= 0, mirrored, positions)


class RNNModel(RecurrentModel):
    """An Elman network over the text."""

    config_class = RNNConfig
    cells = {"fused": nn.RNN, "reference": ReferenceRNN}  # noqa: RUF012


class RNNForSequenceClassification(PooledClassifier, RNNModel):
    """An Elman network, and a pooling of its states."""


class GRUModel(RecurrentModel):
    """Gated recurrent units over the text."""

    config_class = GRUConfig
    cells = {"fused": nn.GRU, "reference": ReferenceGRU}  # noqa: RUF012


class GRUForSequenceClassification(PooledClassifier, GRUModel):
    """Gated recurrent units, and a pooling of their states."""


class LSTMModel(RecurrentModel):
    """Long short-term memory over the text."""

    config_class = LSTMConfig
    cells = {"fused": nn.LSTM, "reference": ReferenceLSTM}  # noqa: RUF012


class LSTMForSequenceClassification(PooledClassifier, LSTMModel):
    """Long short-term memory, and a pooling of its states."""
