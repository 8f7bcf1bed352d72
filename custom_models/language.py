"""Language models: a body of this folder under a head that predicts words, trained on texts without labels.

A classifier with the same body loads the checkpoint of a language model; only its own head is new. Recurrent models
predict the next word, and read both ways the word before it too (Peters et al. 2018, section 3.1). The Transformer
encoder predicts words that are masked (Devlin et al. 2019).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_outputs import CausalLMOutput, MaskedLMOutput
from transformers.utils import can_return_tuple

from .base import TextClassifierConfig
from .recurrent import GRUModel, LSTMModel, RecurrentConfig, RNNModel
from .transformer import TransformerModel

# The label of a token that is not to be predicted.
IGNORED = -100

# Scores that `summed_cross_entropy` computes at a time: 4 MB on a CPU, whose cache then holds them, more elsewhere. Of
# fewer rows than these the gradient of all weights would be added too often.
CPU_SCORES, OTHER_SCORES, LEAST_ROWS = 2**20, 2**26, 128


def summed_cross_entropy(states: Tensor, weight: Tensor, bias: Tensor | None, words: Tensor) -> Tensor:
    """The sum of -log p of words, in float32 at least, whose scores are never in memory all at once.

    To write and read the scores several times takes longer than the products that make them.

    Args:
        states: (n, size) of any n.
        weight, bias: (count, size) and (count,), the layer that gives a state its scores.
        words: (n,) ids below count.
    """
    if not torch.is_grad_enabled():
        weight, bias = weight.detach(), bias if bias is None else bias.detach()
    return SummedCrossEntropy.apply(states, weight, bias, words)


class SummedCrossEntropy(torch.autograd.Function):
    """`summed_cross_entropy`: computes its gradients with the sum, piece by piece."""

    @staticmethod
    def forward(ctx, states: Tensor, weight: Tensor, bias: Tensor | None, words: Tensor) -> Tensor:
        """The sum, and its gradients for `backward` unless nobody wants them."""
        device = states.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
        exact = torch.promote_types(kind, torch.float32)
        known, table = states.to(kind), weight.to(kind)
        loss = torch.zeros((), dtype=exact, device=states.device)
        wanted_gradients = any(ctx.needs_input_grad)
        if wanted_gradients:
            of_states, of_weight = torch.empty_like(known), torch.zeros_like(weight, dtype=exact)
            of_bias = None if bias is None else torch.zeros_like(bias, dtype=exact)
        step = max(LEAST_ROWS, (CPU_SCORES if device == "cpu" else OTHER_SCORES) // len(weight))
        with torch.autocast(device, enabled=False):
            for rows in (slice(begin, begin + step) for begin in range(0, len(words), step)):
                scores = functional.linear(known[rows], table).to(exact)
                if bias is not None:
                    scores += bias
                wanted = words[rows].unsqueeze(1)
                most, found = scores.amax(1, keepdim=True), scores.gather(1, wanted)
                total = scores.sub_(most).exp_().sum(1, keepdim=True)
                loss += (total.log() + most - found).sum()
                if wanted_gradients:
                    # That of the scores: the probabilities, less 1 for the word itself.
                    gradient = scores.div_(total).scatter_add_(1, wanted, -torch.ones_like(total))
                    if bias is not None:
                        of_bias += gradient.sum(0)
                    gradient = gradient.to(kind)
                    of_states[rows] = gradient @ table
                    of_weight += gradient.T @ known[rows]
        if wanted_gradients:
            ctx.save_for_backward(of_states.to(states.dtype), of_weight.to(weight.dtype), of_bias)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        """Those of `forward`, times that of the sum."""
        of_states, of_weight, of_bias = ctx.saved_tensors
        of_bias = None if of_bias is None else of_bias * gradient
        return of_states * gradient, of_weight * gradient, of_bias, None


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """An adaptive softmax (Grave et al. 2017): frequent words are told apart by the whole state, rarer ones by fewer
    numbers of it. The ids have to be sorted by frequency.

    The cuts are less than half as much work as the 2 000 and 10 000 of most examples.
    """

    def __init__(self, state_size: int, vocab_size: int):
        cuts = [size for size in (500, 5_000) if size < vocab_size - 1]
        super().__init__(state_size, vocab_size, cuts or [vocab_size - 2], div_value=2)

    def loss(self, states: Tensor, words: Tensor) -> Tensor:
        """(n, state_size) states, (n,) ids -> the sum of -log p, in float32.

        The products are of the type that autocast chooses, which `forward` of the base cannot bear.
        """
        starts = torch.tensor(self.cutoffs[:-1], device=words.device)
        cluster = torch.bucketize(words, starts, right=True)
        frequent = torch.where(cluster == 0, words, starts[0] + cluster - 1)
        loss = summed_cross_entropy(states, self.head.weight, None, frequent)
        for number, (start, (fewer, rare)) in enumerate(zip(self.cutoffs, self.tail, strict=False), start=1):
            rows = (cluster == number).nonzero().squeeze(1)
            loss = loss + summed_cross_entropy(fewer(states[rows]), rare.weight, None, words[rows] - start)
        return loss


class NextWords:
    """The head of the recurrent language models: an adaptive softmax over the states, shared by both directions.

    Its ids are sorted by frequency, as the tokenizer `word` makes them.
    """

    def build(self, config: RecurrentConfig):
        """Create the body and the head.

        Raises:
            ValueError: with two layers that read both ways, the second has seen the word that it is to predict.
        """
        if config.bidirectional and config.num_layers > 1:
            raise ValueError("a second layer that reads both ways has seen the word that it predicts: num_layers=1")
        if config.sentence_ends is not None:
            raise ValueError("a hierarchical model reads sentence by sentence and predicts no words")
        super().build(config)
        self.decoder = AdaptiveSoftmax(config.hidden_size, config.vocab_size)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs,
    ) -> CausalLMOutput:
        """Predict words.

        Args:
            input_ids: (batch, length) ids.
            attention_mask: (batch, length), as in `TextClassifier.forward`.
            labels: the ids again, as causal models of the library take them; they are shifted here.
            num_items_in_batch: the words of the whole optimizer step, by whose number in each direction the sum of the
                losses is divided; None: the loss is the mean over the predictions.

        Returns:
            With labels `loss`, in both directions if the model reads both ways. Without labels `logits`: (batch, n,
            vocab_size) log-probabilities of the next word, in the order of reading.
        """
        ids, mask, _, _ = self.in_reading_order(input_ids, attention_mask, None)
        states = self.states(self.embed(ids, mask), mask)
        onward, back = states.split(self.config.hidden_size, -1) if self.config.bidirectional else (states, None)
        if labels is None:
            # `log_prob` writes results of one type into a tensor of another.
            with torch.autocast(states.device.type, enabled=False):
                logits = self.decoder.log_prob(onward.flatten(0, 1).to(self.decoder.head.weight.dtype))
            return CausalLMOutput(logits=logits.view(*ids.shape, -1))
        pairs = mask[:, 1:]
        known, wanted = [onward[:, :-1][pairs]], [ids[:, 1:][pairs]]
        if back is not None:
            known.append(back[:, 1:][pairs])
            wanted.append(ids[:, :-1][pairs])
        words = torch.cat(wanted)
        items = max(len(words), 1) if num_items_in_batch is None else len(known) * at_least_one(num_items_in_batch)
        return CausalLMOutput(loss=self.decoder.loss(torch.cat(known), words) / items)


class MaskedWords:
    """The head of an encoder: a layer, then the scores of all words by their embeddings (Press & Wolf 2017)."""

    def build(self, config: TextClassifierConfig):
        """Create the body and the head."""
        super().build(config)
        self.transform = nn.Linear(self.state_size, config.embedding_size)
        self.word_bias = nn.Parameter(torch.zeros(config.vocab_size))

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs,
    ) -> MaskedLMOutput:
        """Predict the words whose label is not -100.

        The arguments are those of `NextWords.forward`; `labels` are (batch, length) ids. Returns with labels `loss`;
        without labels `logits`, (batch, length, vocab_size).
        """
        states = self.token_states(input_ids, attention_mask)
        if labels is None:
            return MaskedLMOutput(logits=self.scores(states))
        chosen = labels != IGNORED
        # Most words are not masked, and the scores of a word take more time than all layers.
        loss = summed_cross_entropy(
            self.transformed(states[chosen]), self.embedding.weight, self.word_bias, labels[chosen]
        )
        items = chosen.sum() if num_items_in_batch is None else num_items_in_batch
        return MaskedLMOutput(loss=loss / at_least_one(items))

    def scores(self, states: Tensor) -> Tensor:
        """(..., state_size) -> (..., vocab_size)."""
        return functional.linear(self.transformed(states), self.embedding.weight, self.word_bias)

    def transformed(self, states: Tensor) -> Tensor:
        """(..., state_size) -> (..., embedding_size), whose products with the embeddings of words are their scores."""
        return functional.gelu(self.transform(states))


def at_least_one(items: Tensor | int) -> Tensor:
    """The number of predictions; 1 for none, whose sum of losses is 0."""
    return torch.as_tensor(items).clamp(min=1)


class RNNForCausalLM(NextWords, RNNModel):
    """An Elman network that predicts words."""


class GRUForCausalLM(NextWords, GRUModel):
    """Gated recurrent units that predict words."""


class LSTMForCausalLM(NextWords, LSTMModel):
    """Long short-term memory that predicts words."""


class TransformerForMaskedLM(MaskedWords, TransformerModel):
    """A Transformer encoder that predicts masked words."""
