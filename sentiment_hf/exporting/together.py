"""An ensemble as one model, which is exported as one graph."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import SequenceClassifierOutput

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.common.layout import MEMBERS, READING
from sentiment_hf.common.members import suffix_of
from sentiment_hf.exporting.source import Source, refuse_unexportable, whole_model
from sentiment_hf.inference.ensemble import Ensemble, load_ensemble
from sentiment_hf.inference.scoring import state_size
from sentiment_hf.models.checkpoint import describe_task, label_names
from sentiment_hf.models.resolve import resolve_on_hub
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.saved import task_of_model
from sentiment_hf.tasks.task import Task
from sentiment_hf.tasks.terms import SMALLEST, SUREST
from sentiment_hf.text.windows import Windows

# What is done about a member that has no graph.
REMEDY = "make the ensemble without it"


@dataclass(frozen=True)
class Member:
    """A member of an ensemble, loaded.

    reading: the columns that it was trained on; None if they are not known.
    """

    ref: ModelRef
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    reading: Reading | None

    @property
    def task(self) -> Task:
        """Its own task, with its own thresholds and order of labels."""
        return task_of_model(self.model.config)

    @property
    def facts(self) -> dict[str, str | int]:
        """What config.json has of it, for programs that read texts by `tokenizers` alone."""
        return {
            "name": self.ref.short_name,
            "pad_token_id": self.tokenizer.pad_token_id,
            "max_length": self.tokenizer.model_max_length,
            "truncation_side": self.tokenizer.truncation_side,
        }


class Together(nn.Module):
    """The members of an ensemble as one model, with the logits of their pooled probabilities.

    `Ensemble.combine` says what is computed; here it is in float32. The inputs of the member at place 0 are called
    input_ids_0, attention_mask_0, and so on.
    """

    def __init__(self, members: Sequence[Member], ensemble: Ensemble):
        super().__init__()
        task = ensemble.task
        self.members = nn.ModuleList(member.model for member in members)
        self.task, self.votes = task, ensemble.method == "vote"
        self.of_logits = ensemble.method == "weights" and ensemble.of_logits
        self.config = config_of(members, task)
        orders = [[member.task.labels.index(label) for label in task.labels] for member in members]
        self.register_buffer("orders", torch.tensor(orders))
        self.register_buffer("weights", torch.tensor(ensemble.weights, dtype=torch.float32)[:, None, None])
        self.register_buffer("classes", torch.arange(len(task.labels)))
        if isinstance(task, MultiLabel):
            least = [member.task.in_order(task.labels).least.tolist() for member in members]
            self.register_buffer("thresholds", torch.tensor(least, dtype=torch.float64)[:, None, :])

    def forward(self, **inputs: Tensor) -> SequenceClassifierOutput:
        """Inputs of all members -> `logits`, (batch, outputs), in the order of the labels of the ensemble."""
        of_each = [
            model(**inputs_of(inputs, number)).logits.index_select(1, self.orders[number])
            for number, model in enumerate(self.members)
        ]
        return SequenceClassifierOutput(logits=self.combined(torch.stack(of_each)))

    def combined(self, logits: Tensor) -> Tensor:
        """(members, batch, outputs) logits -> (batch, outputs) logits."""
        if isinstance(self.task, Regression):
            return (self.weights * logits).sum(0)
        if self.of_logits:
            return (self.weights * self.normalised(logits)).sum(0)
        if isinstance(self.task, MultiLabel):
            found = logits.sigmoid()
            chosen = found.double() >= self.thresholds
            # 1 - p has no digits left where p is near 1.
            return self.logs(found, chosen) - self.logs((-logits).sigmoid(), ~chosen)
        found = logits.softmax(-1)
        return self.logs(found, found.argmax(-1, keepdim=True) == self.classes)

    def normalised(self, logits: Tensor) -> Tensor:
        """(members, batch, outputs) logits -> those of the probabilities, none of which is smaller than `SUREST`."""
        if isinstance(self.task, MultiLabel):
            most = math.log(1 - SUREST) - math.log(SUREST)
            return logits.clamp(-most, most)
        return logits.log_softmax(-1).clamp(min=math.log(SUREST))

    def logs(self, probabilities: Tensor, chosen: Tensor) -> Tensor:
        """(members, batch, outputs) probabilities and truth values -> the logarithms of the pooled probabilities."""
        pooled = (self.weights * probabilities).sum(0)
        if self.votes:
            pooled = (chosen.to(pooled.dtype).sum(0) + pooled) / (len(self.members) + 1)
        return pooled.clamp(min=SMALLEST).log()


def inputs_of(inputs: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """The inputs of one member, by the names that its model has for them."""
    suffix = suffix_of(number)
    return {name.removesuffix(suffix): values for name, values in inputs.items() if name.endswith(suffix)}


def config_of(members: Sequence[Member], task: Task) -> PreTrainedConfig:
    """The config of the export: the outputs, the largest state of a token, and `Member.facts`."""
    sizes = [state_size(member.model.config.to_dict()) for member in members]
    facts = {MEMBERS: [member.facts for member in members]}
    config = PreTrainedConfig(**label_names(task.labels), hidden_size=max(sizes), **facts)
    describe_task(config, task)
    return config


def load_together(ref: ModelRef) -> Source:
    """An ensemble as it is exported.

    Raises InputError if a member is missing, was run again, or has no graph or none that reads the same text.
    """
    ensemble = load_ensemble(ref.folder)
    given = {"trust_remote_code": ref.trust_remote_code, "flag": ref.flag}
    refs = [ModelRef.in_folder(folder, **given) for folder in ensemble.folders]
    for member in refs:
        refuse_member(ref, member)
    members = [load_member(ref, member) for member in refs]
    first = members[0]
    for member in members[1:]:
        if in_front(member) != in_front(first):
            raise InputError(
                f"{ref.name}: its members {first.ref.name} and {member.ref.name} read other columns in front of the "
                "text, and a graph reads one text; make an ensemble of members that read the same"
            )
    tokenizers = {suffix_of(number): member.tokenizer for number, member in enumerate(members)}
    return Source(Together(members, ensemble).eval(), tokenizers, None, ensemble.folders)


def refuse_member(ensemble: ModelRef, member: ModelRef) -> None:
    """Raise InputError, which names the member, for one without a graph."""
    if member.kind is Kind.BASELINE:
        raise InputError(
            f"{ensemble.name}: its member {member.name} is a baseline of scikit-learn, which has no graph; put "
            "custom-ngram in its place, which has as good scores and one"
        )
    if member.kind is Kind.ENSEMBLE:
        raise InputError(
            f"{ensemble.name}: its member {member.name} is an ensemble too; make one ensemble of all their members"
        )
    refuse_unexportable(member)


def load_member(ensemble: ModelRef, ref: ModelRef) -> Member:
    """A member, in eval mode; raises InputError if it cannot be exported beside others."""
    require_checkpoint(ref)
    ref = resolve_on_hub(ref)
    model, tokenizer = whole_model(ref)
    if Windows.of(tokenizer):
        raise InputError(
            f"{ensemble.name}: its member {ref.name} reads long texts in windows, and one graph of several models "
            f"takes each text once; {REMEDY}, or train it with --long_texts truncate"
        )
    if ColumnSchema.of_config(model.config.to_dict()):
        raise InputError(
            f"{ensemble.name}: its member {ref.name} reads columns beside the text, which one graph of several "
            f"models does not; {REMEDY}, or train it with --columns_as_text, and so the others"
        )
    return Member(ref, model, tokenizer, Reading.load(Path(ref.folder, READING)))


def in_front(member: Member) -> tuple[str, ...]:
    """The columns in front of the text."""
    return member.reading.extra_column_names if member.reading else ()
