"""The parts that all custom models share: embedding, treatment of padding, pooling, head, loss, initialisation.

A body makes a vector for each token. A head makes the output from these vectors. Both are classes, and a model
inherits from both, from the head first:

    LSTMModel(TextEncoder)                                        the body alone: `last_hidden_state`
    LSTMForSequenceClassification(PooledClassifier, LSTMModel)    the body under a head: `logits`

The layers of body and head are attributes of one module, so the weights of a body have the same names under every
head. A checkpoint that was saved with one head can be loaded into a class with another head; the new head is then
initialised. To write a new head, write a class with two methods: `build`, which calls `super().build` and adds layers,
and `forward`, which calls `token_states`. A new model inherits from this class first, then from a body.
"""

import math
from collections.abc import Iterable
from dataclasses import field

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput
from transformers.utils import can_return_tuple, logging

from .columns import JoinedColumns

logger = logging.get_logger(__name__)

# 2^64 / golden ratio, and the shifts and factors of SplitMix64, as signed integers.
GOLDEN_RATIO = 0x9E3779B97F4A7C15 - 2**64
MIX = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))


@strict
class TextClassifierConfig(PreTrainedConfig):
    """Settings common to all custom models.

    `embedding_dropout` is the share of word types that are removed, `dropout` the share of features that are removed
    before the classifier. `use_mask: false` treats padding as text, as naive implementations do; it is for the
    experiment that shows the effect. `encoder` is the config of a pretrained model, whose token vectors then replace
    the embeddings. With `ordinal` the classes have the order of their ids, and the logits are those of
    `class_log_probabilities`.
    `task_settings` is for programs that read the outputs, such as the thresholds of labels.
    `number_columns` and `category_columns` are columns beside the text, which a hidden layer of `columns_size` joins
    to the features: see `JoinedColumns`.
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
    ordinal: bool = False
    task_settings: dict | None = None
    number_columns: dict[str, list[float]] = field(default_factory=dict)
    category_columns: dict[str, list[str]] = field(default_factory=dict)
    columns_size: int = 64

    @property
    def reads_columns(self) -> bool:
        """Whether the model reads columns beside the text."""
        return bool(self.number_columns or self.category_columns)

    def validate_ranges(self):
        """Sizes and counts are at least 1, rates lie in [0, 1), `initializer_range` is finite and not negative."""
        for name, value in self.__dict__.items():
            if name.endswith("dropout") and not 0 <= value < 1:
                raise ValueError(f"{name}={value} is a probability: 0 <= {name} < 1")
            if (
                (name.startswith("num_") or name.endswith(("_size", "position_embeddings")))
                and isinstance(value, int)
                and value < 1
            ):
                raise ValueError(f"{name}={value} must be at least 1")
        if not 0 <= self.initializer_range < math.inf:
            raise ValueError(f"initializer_range={self.initializer_range} must be at least 0 and finite")


class TextModel(PreTrainedModel):
    """The base of all models: embedding, order in which tokens are read, initialisation.

    A subclass creates its layers in `build`. Most models are a `TextEncoder`. custom-ngram is only a `TextModel`,
    because it sums over a bag of n-grams and has no vector for a single token.
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
        # Called once, after all layers exist: the random numbers that a layer gets depend on the order of the layers.
        self.post_init()

    def build(self, config: TextClassifierConfig):
        """Create the layers after the embedding. The `build` of a head calls the `build` of the body first."""

    @property
    def trains_embedding(self) -> bool:
        """Whether the embedding is trained: not with `freeze_embeddings`, and never if it is an encoder."""
        return self.config.encoder is None and not self.config.freeze_embeddings

    def freeze(self):
        """Set `requires_grad` of the embedding as `trains_embedding` says."""
        self.embedding.requires_grad_(self.trains_embedding)

    def get_input_embeddings(self) -> nn.Embedding:
        """The embedding table that `inputs_embeds` replaces. With an encoder it is the table of the encoder."""
        return self.embedding if self.config.encoder is None else self.embedding.model.get_input_embeddings()

    def set_input_embeddings(self, table: nn.Embedding):
        """Replace the table that `get_input_embeddings` returns."""
        if self.config.encoder is None:
            self.embedding = table
        else:
            self.embedding.model.set_input_embeddings(table)

    @classmethod
    def from_pretrained(cls, *args, output_loading_info: bool = False, **kwargs):
        """Load as the library does, then freeze again, because the library makes all weights trainable."""
        model, info = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        model.freeze()
        return (model, info) if output_loading_info else model

    def in_reading_order(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None
    ) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor]:
        """Move every text to position 0, so that padding is on the right.

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

        n is less than length only if the model takes at most n tokens. Later tokens are left out.
        """
        if self.config.use_mask:
            # A stable sort puts tokens first and keeps their order, so padding at any place moves to the right.
            order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        else:
            order, mask = torch.arange(mask.shape[1], device=mask.device).expand_as(mask), torch.ones_like(mask)
        if self.config.encoder is not None:
            order = self.embedding.within_positions(order)
        return order, mask.gather(1, order)

    def token_mask(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None
    ) -> Tensor:
        """(batch, length) bool, true at each token. In a text without tokens the first position is true."""
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
        """(batch, length) ids -> (batch, length, embedding_size). In training, random word types are dropped.

        The types are drawn for each text, and a dropped type is dropped at all its positions in the text (Gal &
        Ghahramani 2016, section 4.2). `mask` is read by an encoder only. `inputs_embeds` may be given instead of ids,
        and then no type is dropped.
        """
        if self.config.encoder is not None:
            embedded = self.embedding(mask, input_ids=input_ids, inputs_embeds=inputs_embeds)
        else:
            embedded = inputs_embeds if input_ids is None else self.embedding(input_ids)
        rate = self.config.embedding_dropout
        if input_ids is None or not self.training or rate == 0:
            return embedded
        return embedded * (kept_types(input_ids, rate).to(embedded.dtype) / (1 - rate)).unsqueeze(-1)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        """Initialise a layer by its kind. The library's default is for BERT and does not initialise RNN and GRU."""
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
        elif isinstance(module, JoinedColumns):
            module.init_statistics()


class TextEncoder(TextModel):
    """A body: one vector for each token.

    A subclass sets `state_size` in `build` and defines `states(embedded, mask)`: (batch, length, embedding_size),
    (batch, length) -> (batch, length, state_size). Every text in these arguments starts at position 0 and is padded on
    the right. The states of padding are not read.

    A model with a head is a `TextEncoder` too, so `model.base_model` is the model itself. `AutoModel` and
    `LSTMModel.from_pretrained` load only the body from a checkpoint with any head.
    """

    # Another model may have a body as its attribute `body`; checkpoints of both forms load into each other. This model
    # has to call `body.freeze()` after loading, as `TextModel.from_pretrained` does for the models of this folder.
    base_model_prefix = "body"
    state_size: int
    # Whether the second half of the features of each state is read from right to left.
    reads_both_ways = False

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutput:
        """The inputs are those of `TextClassifier.forward`, without labels. `last_hidden_state` is `token_states`."""
        return BaseModelOutput(last_hidden_state=self.token_states(input_ids, attention_mask, inputs_embeds))

    def token_states(
        self, input_ids: Tensor | None, attention_mask: Tensor | None = None, inputs_embeds: Tensor | None = None
    ) -> Tensor:
        """(batch, length) ids or (batch, length, embedding_size) vectors -> (batch, length, state_size).

        The state of a token is at the position of the token in the input. The states of padding, and of tokens that
        are too many for the model, are 0.
        """
        ids, mask, vectors, order = self.in_reading_order(input_ids, attention_mask, inputs_embeds)
        states = self.states(self.embed(ids, mask, vectors), mask).masked_fill(~mask.unsqueeze(-1), 0)
        length = (input_ids if inputs_embeds is None else inputs_embeds).shape[1]
        in_place = states.new_zeros(states.shape[0], length, states.shape[2])
        return in_place.scatter(1, order.unsqueeze(-1).expand_as(states), states)


class TextClassifier:
    """A head that classifies texts: `features`, dropout, linear `classifier`, cross-entropy.

    A subclass calls `build_classifier` in `build` and defines `features(ids, mask, vectors)`: ids (batch, length) or
    None, mask (batch, length), vectors (batch, length, embedding_size) or None -> (batch, num_features). Either ids or
    vectors are given.
    """

    def build_classifier(self, config: TextClassifierConfig, num_features: int):
        """Create `classifier`, and before it the layer that joins the columns beside the text, if there are any."""
        if config.reads_columns:
            self.columns = JoinedColumns(num_features, config)
        size = config.columns_size if config.reads_columns else num_features
        self.classifier = nn.Linear(size, num_scores(config))

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        column_numbers: Tensor | None = None,
        column_categories: Tensor | None = None,
        **kwargs,
    ) -> SequenceClassifierOutput:
        """Classify texts given as ids or as vectors.

        Args:
            input_ids: (batch, length) token ids.
            attention_mask: (batch, length), 1 for a token and 0 for padding on either side. Without it, positions
                with the padding id in `input_ids` are padding.
            labels: (batch,) class ids or numbers, or (batch, num_labels) float of 0 and 1, as `problem_type` says. The
                loss of class ids is the mean cross-entropy of the batch. If `num_items_in_batch` is given (gradient
                accumulation, several processes), it is the sum divided by this number.
            inputs_embeds: (batch, length, embedding_size) instead of `input_ids`.
            column_numbers: (batch, number columns) cells beside the text, NaN for a missing one. Without it all are.
            column_categories: (batch, category columns) codes of cells, 0 for a missing or unknown one.

        Returns:
            `logits` (batch, num_labels), which are log-probabilities with `config.ordinal`; with labels, `loss`.
        """
        ids, mask, vectors, _ = self.in_reading_order(input_ids, attention_mask, inputs_embeds)
        features = self.dropout(self.features(ids, mask, vectors))
        if self.config.reads_columns:
            features = self.columns(features, column_numbers, column_categories)
        logits = self.classifier(features)
        if self.config.ordinal:
            logits = class_log_probabilities(logits)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def prepare(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]):
        """Compute statistics of the training texts before the first step of a new model. Most models have none.

        `batches` are (batch, length) ids, (batch, length) bool mask, and (batch,) labels from 0 or (batch, num_labels)
        bool.
        """


def num_scores(config: PreTrainedConfig) -> int:
    """The number of scores from which the logits are made: with `ordinal` none for the lowest class."""
    return config.num_labels - config.ordinal


def class_log_probabilities(scores: Tensor) -> Tensor:
    """(batch, classes - 1) scores -> (batch, classes) log-probabilities of classes in their order.

    The sigmoid of score k, plus a constant, is the probability that a text is above class k if it is not below it, as
    in CORN (Shi et al. 2023). A text is of class k if it is above all lower ones and not above k, so the cross-entropy
    of these log-probabilities is the loss of CORN: that of all its yes-or-no questions that arise for a text.
    """
    # With scores of 0 all classes are equally likely: of the classes from k on, all but one are above k.
    scores = scores + torch.arange(scores.shape[-1], 0, -1, device=scores.device).log()
    above = functional.pad(functional.logsigmoid(scores).cumsum(-1), (1, 0))
    not_above = functional.pad(functional.logsigmoid(-scores), (0, 1))
    return above + not_above


class PooledClassifier(TextClassifier):
    """The head of most models. It pools the states of a `TextEncoder` by the method `config.pooling`."""

    def build(self, config: TextClassifierConfig):
        """Create the layers of the body, then `pooling` and `classifier`."""
        super().build(config)
        self.pooling = Pooling(config.pooling, self.state_size, self.reads_both_ways)
        self.build_classifier(config, self.pooling.num_features)

    def features(self, ids: Tensor | None, mask: Tensor, vectors: Tensor | None) -> Tensor:
        """(batch, num_features) pooled states; the arguments are those in `TextClassifier`."""
        return self.pooling(self.states(self.embed(ids, mask, vectors), mask), mask)


class FrozenEncoder(nn.Module):
    """A pretrained model that is never trained. Its last layer gives a vector for each token."""

    def __init__(self, config: dict):
        super().__init__()
        self.model = AutoModel.from_config(AutoConfig.for_model(**config))
        # The pooler is not used, and many checkpoints have none.
        self.model.pooler = None
        self.eval()

    def train(self, mode: bool = True):
        """Stay in evaluation mode: dropout in frozen layers would only add noise to the input."""
        return super().train(False)

    def within_positions(self, order: Tensor) -> Tensor:
        """(batch, length) -> (batch, n) the first n positions, the most that the encoder takes."""
        # Rounded down to a multiple of 8, because RoBERTa has 514 in its config but takes 512 tokens.
        limit = getattr(self.model.config, "max_position_embeddings", -1) // 8 * 8
        if 0 < limit < order.shape[1]:
            logger.warning_once(f"longer texts are cut to the {limit} tokens that the encoder takes")
            return order[:, :limit]
        return order

    def forward(self, mask: Tensor, **inputs: Tensor | None) -> Tensor:
        """(batch, length) mask, and ids or (batch, length, size) embeddings -> (batch, length, embedding_size)."""
        with torch.no_grad():
            return self.model(attention_mask=mask.long(), **inputs).last_hidden_state


def take(vectors: Tensor, order: Tensor) -> Tensor:
    """(batch, length, size) vectors, (batch, n) positions -> (batch, n, size) the vectors at these positions."""
    return vectors.gather(1, order.unsqueeze(-1).expand(-1, -1, vectors.shape[-1]))


def init_recurrent(cell: nn.RNNBase):
    """Initialise the weights of each gate: Glorot for the input, orthogonal for the recurrent weights, biases 0.

    One bias of the forget gate of an LSTM is 1. Orthogonal weights: Saxe et al. 2014; forget gate: Jozefowicz et al.
    2015.
    """
    for name, parameter in cell.named_parameters(recurse=False):
        # In float32, because torch has no QR decomposition in bfloat16.
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
    """One vector per text from one vector per token. Padding has no effect.

    `how` is last, mean, max, attention (a learned query, as in Yang et al. 2016 without the hidden layer), or concat,
    which joins last, max and mean (Howard & Ruder 2018, section 3.3). With `bidirectional`, the second half of the
    features was read from right to left, so its last state is at the first token.
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
            # Under autocast the scores have a smaller type than `hidden`.
            scores = scores.masked_fill(~mask.unsqueeze(-1), torch.finfo(scores.dtype).min)
            return (scores.softmax(1) * hidden).sum(1)
        parts = (last_state(hidden, mask, self.bidirectional), masked_max(hidden, mask), masked_mean(hidden, mask))
        return torch.cat(parts, -1)


def masked_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """(batch, length, size), (batch, length) -> (batch, size): mean over the tokens."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def kept_types(ids: Tensor, rate: float) -> Tensor:
    """(batch, length) ids -> (batch, length) bool, false at a word type that its text drops, with probability `rate`.

    A number that is drawn for the text is hashed with the id (SplitMix64, Steele et al. 2014, figure 17). To draw one
    for each type of the vocabulary takes ten times as long.
    """
    bits = torch.randint(torch.iinfo(torch.int64).max, (len(ids), 1), device=ids.device) + ids * GOLDEN_RATIO
    for shift, factor in MIX:
        # Integers of 64 bits wrap around without an error.
        bits = (bits ^ (bits >> shift)) * factor
    return (bits >> 32 & 0xFFFFFF) >= rate * 2**24


def masked_max(hidden: Tensor, mask: Tensor) -> Tensor:
    """(batch, length, size), (batch, length) -> (batch, size): largest value of each feature over the tokens."""
    return hidden.masked_fill(~mask.unsqueeze(-1), torch.finfo(hidden.dtype).min).amax(1)


def last_state(hidden: Tensor, mask: Tensor, bidirectional: bool) -> Tensor:
    """(batch, length, size), (batch, length) -> (batch, size): the state at the token that is read last."""
    rows = torch.arange(hidden.shape[0], device=hidden.device)
    last = hidden[rows, mask.sum(1) - 1]
    if not bidirectional:
        return last
    half = hidden.shape[-1] // 2
    return torch.cat((last[:, :half], hidden[:, 0, half:]), -1)
