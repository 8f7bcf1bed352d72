"""Trains a language model on texts without labels (`pretrain`): the next words, or masked ones."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import (
    BatchEncoding,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from custom_models.language import IGNORED, at_least_one
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.stopwatch import Stopwatch
from sentiment_hf.data.splits import Splits
from sentiment_hf.models.language import OURS, load_language_model, predicts_next_words
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
from sentiment_hf.training.train import complete, first_process_first, refusals_explained, run_callbacks

# The share of the words of a text that an encoder predicts.
MASKED = 0.15

# The column of validation with the place of a text, and what stands for an epoch there.
PLACE, VALIDATION = "place", -1


class NextWordCollator(FewLengthsCollator):
    """A batch with its ids as labels; padding is not to be predicted."""

    def __call__(self, batch: list[EncodedTexts]) -> BatchEncoding:
        """As the base, with `labels`, (batch, length)."""
        padded = super().__call__(batch)
        padded["labels"] = padded["input_ids"].masked_fill(padded["attention_mask"] == 0, IGNORED)
        return padded


class MaskedWordCollator(FewLengthsCollator):
    """A batch in which some words are masked, others in each epoch: Devlin et al. 2019, section 3.1.

    Which, depends for each text on `seed`, on its row and on the epoch alone: a resumed run masks the same words,
    however many batches were fetched ahead, and validation the same ones each time. At least one word of a text is
    masked, if it has any, because nothing has no mean.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, seed: int):
        super().__init__(tokenizer)
        self.masking = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED)
        self.special = torch.tensor(tokenizer.all_special_ids)
        self.seed = seed
        # Shared with the processes that fetch batches, some of which live longer than an epoch.
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __call__(self, batch: list[EncodedTexts]) -> BatchEncoding:
        """As the base, with `labels`, (batch, length): the ids of masked words, -100 elsewhere."""
        padded = super().__call__(batch)
        # The rows of validation are called places: they are not those of an epoch.
        name, epoch = ("row", int(self.epoch)) if "row" in padded else (PLACE, VALIDATION)
        # Some models take no mask.
        real = padded.get("attention_mask", padded["input_ids"] != self.tokenizer.pad_token_id).bool()
        padded["labels"] = torch.full_like(padded["input_ids"], IGNORED)
        for place, row in enumerate(padded[name].tolist()):
            # Padding, which depends on the other texts, has no say in what is drawn.
            words = real[place]
            ids, labels = self.masked(padded["input_ids"][place, words], (self.seed, epoch, row))
            padded["input_ids"][place, words], padded["labels"][place, words] = ids, labels
        padded.pop(PLACE, None)
        return padded

    def masked(self, ids: Tensor, drawn_by: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """(length,) ids -> the ids of a text with masks, and its labels."""
        key = hashlib.sha256(repr(drawn_by).encode()).digest()
        self.masking.generator = torch.Generator().manual_seed(int.from_bytes(key[:7]))
        special = torch.isin(ids, self.special)
        inputs, labels = (part[0] for part in self.masking.torch_mask_tokens(ids[None].clone(), special[None]))
        words = (~special).nonzero().flatten()
        if len(words) and (labels == IGNORED).all():
            place = words[int.from_bytes(key[7:11]) % len(words)]
            inputs[place], labels[place] = self.tokenizer.mask_token_id, ids[place]
        return inputs, labels


class OtherMasks(TrainerCallback):
    """Tells a collator the epoch before its batches are fetched."""

    def __init__(self, collator: MaskedWordCollator):
        self.collator = collator

    def on_epoch_begin(self, args, state, control, **kwargs):
        """A run that was interrupted within an epoch goes on in the same one."""
        self.collator.epoch.fill_(int(state.epoch + 1e-6))


class LanguageTrainer(SafeTrainer):
    """`SafeTrainer` for a language model, whose loss is the mean over the predicted words of an optimizer step."""

    def compute_loss(
        self, model: nn.Module, inputs: dict, return_outputs: bool = False, num_items_in_batch: Tensor | None = None
    ) -> Tensor:
        """The sum of the losses of a batch, divided by the words of the step, in float32.

        A model of others returns the mean of a batch, which would count as much as that of a larger batch.
        """
        if model_type_of(self.model) in OURS:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.pop("labels")
        logits = model(**inputs).logits
        chosen = labels != IGNORED
        loss = functional.cross_entropy(logits[chosen].float(), labels[chosen], reduction="sum")
        items = chosen.sum() if num_items_in_batch is None else num_items_in_batch
        return self.copies * loss / at_least_one(items)

    def evaluate(self, eval_dataset: EncodedTexts | None = None, **kwargs) -> dict[str, float]:
        """Log the loss and the perplexity of validation, or of other texts."""
        with self.clock.stations.counting("evaluation"), self.averaged():
            scores = self.scores(eval_dataset)
        metrics = {f"eval_{name}": scores[name] for name in ("loss", "perplexity")}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def scores(self, texts: EncodedTexts | None = None) -> dict[str, float]:
        """The loss in nats per word, its perplexity, and the number of texts: of validation, or of other ones."""
        texts = self.eval_dataset if texts is None else texts
        loss = self.mean_loss(texts)
        return {"loss": loss, "perplexity": math.exp(min(loss, 100)), "rows": len(texts)}

    @torch.no_grad()
    def mean_loss(self, texts: EncodedTexts) -> float:
        """The loss of `texts`, nats per predicted word. Each process reads its share of them."""
        model, rank, processes = self.model_wrapped, self.accelerator.process_index, self.accelerator.num_processes
        own = texts.select(np.arange(rank, len(texts), processes))
        model.eval()
        total, words = 0.0, 0
        for batch in DataLoader(own, batch_size=self.args.eval_batch_size, collate_fn=self.data_collator):
            inputs = self._prepare_inputs(batch)
            count = predictions_in(inputs["labels"], self.model)
            if count:
                with self.compute_loss_context_manager():
                    loss = self.compute_loss(model, inputs, num_items_in_batch=torch.ones((), device=self.args.device))
                total, words = total + float(loss) / self.copies, words + count
        model.train()
        sums = self.accelerator.reduce(torch.tensor([total, float(words)], device=self.args.device), "sum")
        return float(sums[0] / sums[1].clamp(min=1))


def model_type_of(model: nn.Module) -> str:
    """The `model_type` of a model of the library or of ours."""
    return model.config.model_type


def predictions_in(labels: Tensor, model: nn.Module) -> int:
    """The number of words that are predicted in one direction; a model that reads both ways predicts twice as many."""
    shifted = labels[:, 1:] if predicts_next_words(model_type_of(model)) else labels
    return int((shifted != IGNORED).sum())


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
        validation = validation.with_column(PLACE, np.arange(len(validation)))
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
    complete(trainer, spec, splits, validation, stations)
    return trainer
