"""What all custom models share: embedding, treatment of padding, pooling, head, loss, initialisation.

A body makes one vector of each token, a head makes the output of these vectors. Each is a class, and a model inherits
from both, the head first:

    LSTMModel(TextEncoder)                                        the body alone: `last_hidden_state`
    LSTMForSequenceClassification(PooledClassifier, LSTMModel)    the body under a head: `logits`

The layers of body and head are attributes of one module, so the weights of a body have the same names under every
head. A checkpoint that was saved with one head loads into a class with another head; the weights of the new head are
missing then, and initialised. To write a head, write a class whose `build` calls that of the body and adds layers,
and whose `forward` calls `token_states`, and put it before a body among the bases of a new class.
"""

from collections.abc import Iterable

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput
from transformers.utils import can_return_tuple, logging

logger = logging.get_logger(__name__)


@strict
class TextClassifierConfig(PreTrainedConfig):
    """Settings common to all custom models.

    `embedding_dropout` removes whole word types, `dropout` single features before the classifier. `use_mask: false`
    treats padding as text, as naive implementations do; it exists for the experiment that shows what this costs.
    `encoder`, the config of a pretrained model, puts the vectors that it makes of the tokens in place of embeddings.
    """

    vocab_size: int = 30_000
    embedding_size: int = 128
    hidden_size: int = 128
    dropout: float | int = 0.5
    embedding_dropout: float | int = 0.0
    freeze_embeddings: bool = False
    use_mask: bool = True
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0
    encoder: dict | None = None

    def validate_ranges(self):
        """Sizes and counts are at least 1, rates lie in [0, 1)."""
        for name, value in self.__dict__.items():
            if name.endswith("dropout") and not 0 <= value < 1:
                raise ValueError(f"{name}={value} is a probability: 0 <= {name} < 1")
            if (name.startswith("num_") or name.endswith("_size")) and isinstance(value, int) and value < 1:
                raise ValueError(f"{name}={value} must be at least 1")


class TextModel(PreTrainedModel):
    """The part that is the same in all models: embedding, order in which tokens are read, initialisation.

    A subclass creates its layers in `build`. custom-ngram adds up a bag of n-grams and has no vector for a single
    token, so it is a `TextModel` and no `TextEncoder`.
    """

    config: TextClassifierConfig
    main_input_name = "input_ids"
    _input_embed_layer = "embedding"

    def __init__(self, config: TextClassifierConfig):
        super().__init__(config)
        if config.encoder is None:
            self.embedding = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        else:
            self.embedding = FrozenEncoder(config.encoder)
        self.freeze()
        self.dropout = nn.Dropout(config.dropout)
        self.build(config)
        # Called once, after all layers exist: what the seed gives to a layer depends on the order of their creation.
        self.post_init()

    def build(self, config: TextClassifierConfig):
        """Create the layers behind the embedding; `build` of a head calls that of its body first."""

    @property
    def trains_embedding(self) -> bool:
        """An encoder is never trained, embeddings are unless `freeze_embeddings`."""
        return self.config.encoder is None and not self.config.freeze_embeddings

    def freeze(self):
        """Take the embedding out of training where it does not belong there."""
        self.embedding.requires_grad_(self.trains_embedding)

    def get_input_embeddings(self) -> nn.Embedding:
        """The table that `inputs_embeds` stand in for: that of the encoder, where there is one."""
        return self.embedding if self.config.encoder is None else self.embedding.model.get_input_embeddings()

    def set_input_embeddings(self, table: nn.Embedding):
        """As `get_input_embeddings`."""
        if self.config.encoder is None:
            self.embedding = table
        else:
            self.embedding.model.set_input_embeddings(table)

    @classmethod
    def from_pretrained(cls, *args, output_loading_info: bool = False, **kwargs):
        """As the library does, which makes all that it loads trainable; what is frozen stays frozen here."""
        model, info = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        model.freeze()
        return (model, info) if output_loading_info else model

    def in_reading_order(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None
    ) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor]:
        """The input with every text moved to position 0, so that padding is on the right.

        Returns:
            ids (batch, n) or None, mask (batch, n), vectors (batch, n, embedding_size) or None, and the position
            (batch, n) of each token in the input.

        Raises:
            ValueError: both or none of `input_ids` and `inputs_embeds` are given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("exactly one of input_ids and inputs_embeds must be given")
        order, mask = self.reading_order(self.token_mask(input_ids, attention_mask, inputs_embeds))
        ids = None if input_ids is None else input_ids.gather(1, order)
        vectors = None if inputs_embeds is None else take(inputs_embeds, order)
        return ids, mask, vectors, order

    def reading_order(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, length) mask -> (batch, n) positions in the order of reading, (batch, n) mask at these positions.

        n is less than length where the model takes at most n tokens; the tokens behind are left out.
        """
        if self.config.use_mask:
            # Tokens to the front, in order: padding on the left or between texts then is padding on the right.
            order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        else:
            order, mask = torch.arange(mask.shape[1], device=mask.device).expand_as(mask), torch.ones_like(mask)
        if self.config.encoder is not None:
            order = self.embedding.within_positions(order)
        return order, mask.gather(1, order)

    def token_mask(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None
    ) -> Tensor:
        """(batch, length) bool, true where there is a token; a text without any keeps its first position."""
        if attention_mask is not None:
            mask = attention_mask.bool()
        elif input_ids is not None and self.config.pad_token_id is not None:
            mask = input_ids != self.config.pad_token_id
        else:
            shape = (input_ids if inputs_embeds is None else inputs_embeds).shape[:2]
            mask = torch.ones(shape, dtype=torch.bool, device=self.device)
        first = torch.arange(mask.shape[1], device=mask.device) == 0
        return mask | (first & ~mask.any(1, keepdim=True))

    def embed(
        self, input_ids: Tensor | None = None, mask: Tensor | None = None, inputs_embeds: Tensor | None = None
    ) -> Tensor:
        """(batch, length) -> (batch, length, embedding_size), in training without a random choice of word types.

        Each text has a choice of its own, and a word that is dropped is dropped wherever it stands in the text
        (Gal & Ghahramani 2016, section 4.2). An encoder reads `mask`, and `inputs_embeds` in place of ids.
        """
        if self.config.encoder is not None:
            embedded = self.embedding(mask, input_ids=input_ids, inputs_embeds=inputs_embeds)
        else:
            embedded = inputs_embeds if input_ids is None else self.embedding(input_ids)
        rate = self.config.embedding_dropout
        if input_ids is None or not self.training or rate == 0:
            return embedded
        types = torch.rand(len(input_ids), self.config.vocab_size, device=embedded.device) >= rate
        return embedded * (types.gather(1, input_ids).to(embedded.dtype) / (1 - rate)).unsqueeze(-1)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        """Decided here for every kind of layer: the library's default suits BERT and leaves RNN and GRU alone."""
        if isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=self.config.initializer_range)
            if module.padding_idx is not None:
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.Linear | nn.Conv1d):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.RNNBase):
            init_recurrent(module)


class TextEncoder(TextModel):
    """A body: one vector for each token.

    A subclass sets `state_size` in `build` and defines `states(embedded, mask)`: (batch, length, embedding_size),
    (batch, length) -> (batch, length, state_size). In `states` every text starts at position 0 and is padded on its
    right; the states of padding are not read.

    A model with a head is a `TextEncoder` too, so `model.base_model` is the model itself. `AutoModel` and
    `LSTMModel.from_pretrained` load the body alone from a checkpoint of any head.
    """

    # A model may also hold a body as its attribute `body`; checkpoints of both forms load into each other. This model
    # has to call `body.freeze()` after loading, as `TextModel.from_pretrained` does for the models of this folder.
    base_model_prefix = "body"
    state_size: int
    # Whether the second half of each state comes from reading the text from right to left.
    reads_both_ways = False

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutput:
        """The inputs of `TextClassifier.forward` without labels; `last_hidden_state` is that of `token_states`."""
        return BaseModelOutput(last_hidden_state=self.token_states(input_ids, attention_mask, inputs_embeds))

    def token_states(
        self, input_ids: Tensor | None, attention_mask: Tensor | None = None, inputs_embeds: Tensor | None = None
    ) -> Tensor:
        """(batch, length) ids or (batch, length, embedding_size) vectors -> (batch, length, state_size).

        The state of a token is at the position of the token in the input. States of padding, and of tokens beyond
        what the model takes, are 0.
        """
        ids, mask, vectors, order = self.in_reading_order(input_ids, attention_mask, inputs_embeds)
        states = self.states(self.embed(ids, mask, vectors), mask).masked_fill(~mask.unsqueeze(-1), 0)
        length = (input_ids if inputs_embeds is None else inputs_embeds).shape[1]
        in_place = states.new_zeros(states.shape[0], length, states.shape[2])
        return in_place.scatter(1, order.unsqueeze(-1).expand_as(states), states)


class TextClassifier:
    """A head that classifies texts: `features`, dropout, linear `classifier`, cross-entropy.

    A subclass creates `classifier` in `build` and defines `features(ids, mask, vectors)`: ids (batch, length) or None,
    mask (batch, length), vectors (batch, length, embedding_size) or None -> (batch, num_features). One of ids and
    vectors is given.
    """

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs,
    ) -> SequenceClassifierOutput:
        """Classify texts given as ids or as vectors.

        Args:
            input_ids: (batch, length) token ids.
            attention_mask: (batch, length), 1 for a token and 0 for padding, on either side; without it the pad id
                in `input_ids` is padding.
            labels: (batch,) class ids; the loss is their mean cross-entropy, or its sum over `num_items_in_batch`
                where the caller gives that (gradient accumulation, several processes).
            inputs_embeds: (batch, length, embedding_size) instead of `input_ids`.

        Returns:
            `logits` (batch, num_labels) and, with labels, `loss`.
        """
        ids, mask, vectors, _ = self.in_reading_order(input_ids, attention_mask, inputs_embeds)
        logits = self.classifier(self.dropout(self.features(ids, mask, vectors)))
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def prepare(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]):
        """What a fresh model takes from the training texts before the first step; most take nothing.

        `batches` are (batch, length) ids, (batch, length) bool mask, (batch,) labels.
        """


class PooledClassifier(TextClassifier):
    """The head of most models: pools the states of a `TextEncoder` as `config.pooling` says."""

    def build(self, config: TextClassifierConfig):
        """The layers of the body, then `pooling` and `classifier`."""
        super().build(config)
        self.pooling = Pooling(config.pooling, self.state_size, self.reads_both_ways)
        self.classifier = nn.Linear(self.pooling.num_features, config.num_labels)

    def features(self, ids: Tensor | None, mask: Tensor, vectors: Tensor | None) -> Tensor:
        """As in `TextClassifier`."""
        return self.pooling(self.states(self.embed(ids, mask, vectors), mask), mask)


class FrozenEncoder(nn.Module):
    """A pretrained model that is read and never trained: a vector of its last layer for each token."""

    def __init__(self, config: dict):
        super().__init__()
        self.model = AutoModel.from_config(AutoConfig.for_model(**config))
        # It would not be read, and many checkpoints come without.
        self.model.pooler = None
        self.eval()

    def train(self, mode: bool = True):
        """Always without dropout: with frozen weights it would be noise in the input."""
        return super().train(False)

    def within_positions(self, order: Tensor) -> Tensor:
        """(batch, length) -> (batch, shorter length): the encoder has no positions for what lies beyond."""
        # A multiple of 8: RoBERTa says 514 and has 512.
        limit = getattr(self.model.config, "max_position_embeddings", -1) // 8 * 8
        if 0 < limit < order.shape[1]:
            logger.warning_once(f"longer texts are cut to the {limit} tokens that the encoder takes")
            return order[:, :limit]
        return order

    def forward(self, mask: Tensor, **inputs: Tensor | None) -> Tensor:
        """(batch, length) mask and ids, or (batch, length, size) embeddings -> (batch, length, embedding_size)."""
        with torch.no_grad():
            return self.model(attention_mask=mask.long(), **inputs).last_hidden_state


def take(vectors: Tensor, order: Tensor) -> Tensor:
    """(batch, length, size), (batch, n) -> (batch, n, size): of each text the vectors at these positions."""
    return vectors.gather(1, order.unsqueeze(-1).expand(-1, -1, vectors.shape[-1]))


def init_recurrent(cell: nn.RNNBase):
    """Glorot input weights, orthogonal recurrent weights gate by gate, no bias but the LSTM's forget gate at 1.

    Saxe et al. 2014 for the orthogonal part, Jozefowicz et al. 2015 for the forget gate.
    """
    for name, parameter in cell.named_parameters(recurse=False):
        # In float32, since a QR decomposition in bfloat16 does not exist.
        values = torch.empty(parameter.shape, dtype=torch.float32, device=parameter.device)
        gates = values.view(-1, cell.hidden_size, *parameter.shape[1:])
        for index, gate in enumerate(gates):
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(gate)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(gate)
            else:
                # The gates of an LSTM are stored in the order input, forget, cell, output.
                gate.fill_(1.0 if cell.mode == "LSTM" and name.startswith("bias_ih") and index == 1 else 0.0)
        init.copy_(parameter, values)


class Pooling(nn.Module):
    """One vector per text from one vector per token; padding has no say.

    `how` is last, mean, max, attention (a learned query, Yang et al. 2016 without its hidden layer) or concat, which
    joins last, max and mean (Howard & Ruder 2018, section 3.3). With `bidirectional`, the second half of the features
    was read from the right, so its last state stands at the first token.
    """

    def __init__(self, how: str, size: int, bidirectional: bool = False):
        super().__init__()
        self.how, self.bidirectional = how, bidirectional
        self.num_features = 3 * size if how == "concat" else size
        if how == "attention":
            self.score = nn.Linear(size, 1, bias=False)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, size), (batch, length) -> (batch, num_features)."""
        if self.how == "mean":
            return masked_mean(hidden, mask)
        if self.how == "max":
            return masked_max(hidden, mask)
        if self.how == "last":
            return last_state(hidden, mask, self.bidirectional)
        if self.how == "attention":
            scores = self.score(hidden)
            # Under autocast the scores are of a smaller type than what they weigh.
            scores = scores.masked_fill(~mask.unsqueeze(-1), torch.finfo(scores.dtype).min)
            return (scores.softmax(1) * hidden).sum(1)
        parts = (last_state(hidden, mask, self.bidirectional), masked_max(hidden, mask), masked_mean(hidden, mask))
        return torch.cat(parts, -1)


def masked_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """(batch, length, size), (batch, length) -> (batch, size): mean over the tokens."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def masked_max(hidden: Tensor, mask: Tensor) -> Tensor:
    """(batch, length, size), (batch, length) -> (batch, size): largest value of each feature over the tokens."""
    return hidden.masked_fill(~mask.unsqueeze(-1), torch.finfo(hidden.dtype).min).amax(1)


def last_state(hidden: Tensor, mask: Tensor, bidirectional: bool) -> Tensor:
    """(batch, length, size), (batch, length) -> (batch, size): the state after the last token read."""
    rows = torch.arange(hidden.shape[0], device=hidden.device)
    last = hidden[rows, mask.sum(1) - 1]
    if not bidirectional:
        return last
    half = hidden.shape[-1] // 2
    return torch.cat((last[:, :half], hidden[:, 0, half:]), -1)
