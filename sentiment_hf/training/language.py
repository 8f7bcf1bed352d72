"""Trains a language model on texts without labels (`pretrain`): the next words, or masked ones."""

import hashlib
import math
from dataclasses import replace

import torch
from torch import nn
from transformers import (
    BatchEncoding,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from custom_models.language import IGNORED
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.stopwatch import Stopwatch
from sentiment_hf.data.splits import Splits
from sentiment_hf.models.language import load_language_model, predicts_next_words
from sentiment_hf.models.load import load_tokenizer
from sentiment_hf.models.quiet import keep_back_chatter
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.text.encoded import EncodedTexts
from sentiment_hf.text.tokenize import tokenize
from sentiment_hf.text.word_vectors import initialise_embedding
from sentiment_hf.training.arguments import as_given
from sentiment_hf.training.batches import FewLengthsCollator, longest_first
from sentiment_hf.training.safe_trainer import SafeTrainer
from sentiment_hf.training.schedule import bound_steps, epochs_per_validation
from sentiment_hf.training.train import first_process_first, refusals_explained, run_callbacks, set_ways_of_training

# The share of the words of a text that an encoder predicts.
MASKED = 0.15


class NextWordCollator(FewLengthsCollator):
    """A batch with its ids as labels; padding is not to be predicted."""

    def __call__(self, batch: list[EncodedTexts]) -> BatchEncoding:
        """As the base, with `labels`, (batch, length)."""
        padded = super().__call__(batch)
        padded["labels"] = padded["input_ids"].masked_fill(padded["attention_mask"] == 0, IGNORED)
        return padded


class MaskedWordCollator(FewLengthsCollator):
    """A batch in which some words are masked, others in each epoch: Devlin et al. 2019, section 3.1.

    Which, depends on `seed`, `epoch` and the rows of the batch alone, so that a resumed run masks the same words,
    however many batches were fetched ahead. At least one word is masked, because nothing has no mean.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, seed: int):
        super().__init__(tokenizer)
        self.masking = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED)
        self.special = torch.tensor(tokenizer.all_special_ids)
        self.seed, self.epoch = seed, 0

    def __call__(self, batch: list[EncodedTexts]) -> BatchEncoding:
        """As the base, with `labels`, (batch, length): the ids of masked words, -100 elsewhere."""
        padded = super().__call__(batch)
        ids = padded["input_ids"]
        # The batches of validation have no rows: the same words are masked each time.
        drawn_by = f"{self.seed} {self.epoch} {padded['row'].tolist()}" if "row" in padded else f"{self.seed}"
        key = hashlib.sha256(drawn_by.encode()).digest()
        self.masking.generator = torch.Generator().manual_seed(int.from_bytes(key[:7]))
        special = torch.isin(ids, self.special)
        padded["input_ids"], padded["labels"] = self.masking.torch_mask_tokens(ids.clone(), special)
        words = (~special).flatten().nonzero()
        if len(words) and (padded["labels"] == IGNORED).all():
            place = words[len(words) // 2]
            padded["labels"].view(-1)[place] = ids.view(-1)[place]
            padded["input_ids"].view(-1)[place] = self.tokenizer.mask_token_id
        return padded


class OtherMasks(TrainerCallback):
    """Tells a collator the epoch before its batches are fetched."""

    def __init__(self, collator: MaskedWordCollator):
        self.collator = collator

    def on_epoch_begin(self, args, state, control, **kwargs):
        """A run that was interrupted within an epoch goes on in the same one."""
        self.collator.epoch = int(state.epoch + 1e-6)


class LanguageTrainer(SafeTrainer):
    """`SafeTrainer` for a language model, whose loss is the mean over the predicted words."""

    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        """Log the loss and the perplexity of validation."""
        with self.clock.stations.counting("evaluation"), self.averaged():
            scores = self.scores()
        metrics = {f"eval_{name}": scores[name] for name in ("loss", "perplexity")}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def scores(self) -> dict[str, float]:
        """The loss of validation in nats per word, its perplexity, and the number of texts."""
        loss = self.mean_loss()
        return {"loss": loss, "perplexity": math.exp(min(loss, 100)), "rows": len(self.eval_dataset)}

    @torch.no_grad()
    def mean_loss(self) -> float:
        """The loss of validation, nats per predicted word."""
        model = self.model_wrapped
        model.eval()
        total, words = torch.zeros((), dtype=torch.float64), 0
        for batch in self.get_eval_dataloader():
            inputs = self._prepare_inputs(batch)
            with self.compute_loss_context_manager():
                loss = model(**inputs).loss
            count = predictions_in(inputs["labels"], self.model)
            sums = self.accelerator.reduce(torch.stack([loss.double() * count, count.double()]), "sum")
            total, words = total + sums[0].cpu(), words + int(sums[1])
        model.train()
        return float(total / words)


def predictions_in(labels: torch.Tensor, model: nn.Module) -> torch.Tensor:
    """The number of words that are predicted in one direction; a model that reads both ways predicts twice as many."""
    shifted = labels[:, 1:] if predicts_next_words(model.config.model_type) else labels
    return (shifted != IGNORED).sum()


def build_language_trainer(
    spec: RunSpec, args: TrainingArguments, splits: Splits, resumed: ModelRef | None = None
) -> LanguageTrainer:
    """Load or make tokenizer and language model, tokenize, and return the trainer.

    It trains on train and the texts without labels; validation says when to stop. Raises as `build_trainer`.
    """
    set_seed(args.seed)
    keep_back_chatter()
    stations, cache = Stopwatch(), spec.data.cache
    texts = LabelledTexts.joined([splits.train, splits.unlabelled]) if splits.unlabelled else splits.train
    with stations.counting("preprocessing"), first_process_first(args, cache):
        tokenizer = load_tokenizer(spec, texts, resumed, cache)
    model = load_language_model(spec, tokenizer)
    if vectors := spec.new_model.word_vectors:
        initialise_embedding(model, tokenizer, vectors)
    with stations.counting("preprocessing"), first_process_first(args, cache):
        train, validation = (
            replace(tokenize(part, tokenizer, tokenizer.model_max_length, cache), columns={})
            for part in (texts, splits.validation)
        )
    callbacks = []
    if predicts_next_words(model.config.model_type):
        collator = NextWordCollator(tokenizer)
    else:
        collator = MaskedWordCollator(tokenizer, args.seed)
        callbacks.append(OtherMasks(collator))
    every = epochs_per_validation(bound_steps(args, spec.run, len(train)), len(train), len(validation))
    with refusals_explained():
        trainer = LanguageTrainer(
            model=model,
            args=args,
            given_args=as_given(args, spec),
            train_dataset=train,
            eval_dataset=longest_first(validation)[0],
            processing_class=tokenizer,
            data_collator=collator,
            length_bucketing=spec.run.length_bucketing,
            checkpoint_verify=spec.run.checkpoint_verify,
            callbacks=[*callbacks, *run_callbacks(spec.run, args, every)],
        )
    trainer.validation = validation
    trainer.clock.stations = stations
    trainer.reading = splits.reading
    set_ways_of_training(trainer, spec.run)
    return trainer
