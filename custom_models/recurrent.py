"""RNN, GRU and LSTM with layers, in one or both directions, with fused kernels or as textbook equations.

Texts are padded on the right and not packed, because packing is much slower on a CPU and prevents export. For the
backward direction each text is flipped within its own length. Output and gradient are the same as with packing.
"""

from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.func import functional_call

from .base import PooledClassifier, Pooling, TextClassifierConfig, TextEncoder, take
from .sentences import cut_into_sentences, score_by_hidden_layer


@strict
class RecurrentConfig(TextClassifierConfig):
    """`hidden_size` is per direction. `dropout` is also between layers, `weight_dropout` on the recurrent weights.

    `sentence_ends` are the ids of the tokens that end a sentence. They make the model hierarchical: it reads the words
    of each sentence, then the sentences, of which it takes `max_sentences`; a sentence of more than
    `max_sentence_length` tokens becomes several.
    """

    num_layers: int = 1
    bidirectional: bool = False
    weight_dropout: float | int = 0.0
    pooling: Literal["last", "mean", "max", "attention", "concat"] = "last"
    implementation: Literal["fused", "reference"] = "fused"
    sentence_ends: list[int] | None = None
    max_sentences: int = 100
    max_sentence_length: int = 50

    def validate_sentences(self):
        """There is a token that ends a sentence, and room for a sentence and a token."""
        if self.sentence_ends == []:
            raise ValueError("sentence_ends=[] ends no sentence: expected ids of tokens, or null")
        for name in ("max_sentences", "max_sentence_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")


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


class RecurrentLayers:
    """Recurrent layers, as a part of a module that has `config` and `dropout`.

    A bidirectional layer joins the states of both directions for the next layer.
    """

    def build_layers(self, cell: type[nn.RNNBase], config: RecurrentConfig, input_size: int) -> int:
        """Create one cell for each layer and direction. Returns the size of a state."""
        state_size = config.hidden_size * (2 if config.bidirectional else 1)
        inputs = [input_size, *[state_size] * (config.num_layers - 1)]
        self.forward_cells = nn.ModuleList(cell(n, config.hidden_size, batch_first=True) for n in inputs)
        if config.bidirectional:
            self.backward_cells = nn.ModuleList(cell(n, config.hidden_size, batch_first=True) for n in inputs)
        return state_size

    def states(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, input), (batch, length) -> (batch, length, hidden, or twice that in both directions)."""
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


class RecurrentModel(RecurrentLayers, TextEncoder):
    """Recurrent layers over the text or, in a hierarchical model, over each of its sentences by itself."""

    cells: dict[str, type[nn.RNNBase]]

    def build(self, config: RecurrentConfig):
        """Create the layers."""
        self.reads_both_ways = config.bidirectional
        self.state_size = self.build_layers(self.cells[config.implementation], config, config.embedding_size)

    def token_states(
        self, input_ids: Tensor | None, attention_mask: Tensor | None = None, inputs_embeds: Tensor | None = None
    ) -> Tensor:
        """As in `TextEncoder`; those of a hierarchical model know of the sentence of the token only."""
        if self.config.sentence_ends is None:
            return super().token_states(input_ids, attention_mask, inputs_embeds)
        ids, mask, vectors, order = self.in_reading_order(input_ids, attention_mask, inputs_embeds)
        states, _, slots = self.word_states(ids, mask, vectors)
        states = nn.functional.pad(states.flatten(1, 2), (0, 0, 0, 1))
        in_place = states.new_zeros(*input_ids.shape, self.state_size)
        return in_place.scatter(1, order.unsqueeze(-1).expand(-1, -1, self.state_size), take(states, slots))

    def word_states(self, ids: Tensor | None, mask: Tensor, vectors: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Read each sentence by itself: (batch, sentences, words, state_size), and `words`, `slots` of the cut.

        The arguments are those of `TextClassifier.features`. The states of padding are not to be read.
        """
        if ids is None:
            raise ValueError("inputs_embeds cannot be read by a hierarchical model: it finds sentences by their ids")
        config = self.config
        places, words, slots = cut_into_sentences(
            ids, mask, config.sentence_ends, config.max_sentences, config.max_sentence_length
        )
        embedded = take(self.embed(ids, mask, vectors), places.flatten(1))
        states = self.states(embedded.view(-1, words.shape[2], embedded.shape[2]), words.flatten(0, 1))
        return states.view(*words.shape, -1), words, slots


class SentenceLayers(RecurrentLayers, nn.Module):
    """The recurrent layers of a hierarchical model over the vectors of its sentences."""

    def __init__(self, cell: type[nn.RNNBase], config: RecurrentConfig, input_size: int):
        super().__init__()
        self.config, self.dropout = config, nn.Dropout(config.dropout)
        self.build_layers(cell, config, input_size)


class RecurrentClassifier(PooledClassifier):
    """The head of the recurrent models: it pools the states of the words.

    A hierarchical one, which has `sentence_ends`, pools the words of each sentence, reads the vectors of the sentences
    by recurrent layers of their own, and pools their states. With `pooling: attention` and `bidirectional` it is the
    hierarchical attention network of Yang et al. 2016, section 2.2.
    """

    def build(self, config: RecurrentConfig):
        """Create the layers of the body, `pooling` and `classifier`; in a hierarchical model also those between."""
        super().build(config)
        if config.sentence_ends is None:
            return
        self.word_pooling = Pooling(config.pooling, self.state_size, self.reads_both_ways)
        cell = self.cells[config.implementation]
        self.sentence_layers = SentenceLayers(cell, config, self.word_pooling.num_features)
        if config.pooling == "attention":
            score_by_hidden_layer(self.word_pooling, self.state_size)
            score_by_hidden_layer(self.pooling, self.state_size)

    def features(self, ids: Tensor | None, mask: Tensor, vectors: Tensor | None) -> Tensor:
        """(batch, num_features) pooled states; the arguments are those in `TextClassifier`."""
        if self.config.sentence_ends is None:
            return super().features(ids, mask, vectors)
        states, words, _ = self.word_states(ids, mask, vectors)
        sentences = words.any(-1)
        # In place of a sentence that a shorter text does not have, one word is pooled, and has no say afterwards.
        words = words | (~sentences.unsqueeze(-1) & (torch.arange(words.shape[2], device=words.device) == 0))
        of_sentences = self.word_pooling(states.flatten(0, 1), words.flatten(0, 1)).view(*sentences.shape, -1)
        return self.pooling(self.sentence_layers.states(of_sentences, sentences), sentences)


def flip_order(mask: Tensor) -> Tensor:
    """(batch, length) mask -> (batch, length) positions that flip each text within its length; its own inverse."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    mirrored = mask.sum(1, keepdim=True) - 1 - positions
    return torch.where(mirrored >= 0, mirrored, positions)


class RNNModel(RecurrentModel):
    """An Elman network over the text."""

    config_class = RNNConfig
    cells = {"fused": nn.RNN, "reference": ReferenceRNN}  # noqa: RUF012


class RNNForSequenceClassification(RecurrentClassifier, RNNModel):
    """An Elman network, and a pooling of its states."""


class GRUModel(RecurrentModel):
    """Gated recurrent units over the text."""

    config_class = GRUConfig
    cells = {"fused": nn.GRU, "reference": ReferenceGRU}  # noqa: RUF012


class GRUForSequenceClassification(RecurrentClassifier, GRUModel):
    """Gated recurrent units, and a pooling of their states."""


class LSTMModel(RecurrentModel):
    """Long short-term memory over the text."""

    config_class = LSTMConfig
    cells = {"fused": nn.LSTM, "reference": ReferenceLSTM}  # noqa: RUF012


class LSTMForSequenceClassification(RecurrentClassifier, LSTMModel):
    """Long short-term memory, and a pooling of its states."""
