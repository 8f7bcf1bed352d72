"""A pretrained classifier of any architecture under a head of ours: it gives its features in place of class scores."""

from dataclasses import field

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import can_return_tuple

from .base import class_log_probabilities, num_scores
from .columns import JoinedColumns


@strict
class WrappedConfig(PreTrainedConfig):
    """Settings of the head, and `inner`, the config of the pretrained classifier.

    `output_layer` is the name of the layer of `inner` that has a row for each class, and `num_features` is the size of
    its input. The columns are those of `JoinedColumns`, `ordinal` and `task_settings` those of `TextClassifierConfig`.
    """

    model_type = "wrapped-classifier"

    inner: dict = field(default_factory=dict)
    output_layer: str = ""
    num_features: int = 1
    initializer_range: float | int = 0.02
    pad_token_id: int | None = None
    hidden_size: int | None = None
    max_position_embeddings: int | None = None
    number_columns: dict[str, list[float]] = field(default_factory=dict)
    category_columns: dict[str, list[str]] = field(default_factory=dict)
    columns_size: int = 64
    ordinal: bool = False
    task_settings: dict | None = None

    @property
    def reads_columns(self) -> bool:
        """Whether the model reads columns beside the text."""
        return bool(self.number_columns or self.category_columns)


class WrappedForSequenceClassification(PreTrainedModel):
    """`inner` without its output layer, the columns beside the text if there are any, and `classifier`."""

    config: WrappedConfig
    config_class = WrappedConfig
    main_input_name = "input_ids"

    def __init__(self, config: WrappedConfig):
        super().__init__(config)
        self.inner = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**config.inner))
        self.inner.set_submodule(config.output_layer, nn.Identity())
        self.supports_gradient_checkpointing = self.inner.supports_gradient_checkpointing
        if config.reads_columns:
            self.columns = JoinedColumns(config.num_features, config)
        size = config.columns_size if config.reads_columns else config.num_features
        self.classifier = nn.Linear(size, num_scores(config))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The embedding table of the pretrained model."""
        return self.inner.get_input_embeddings()

    def set_input_embeddings(self, table: nn.Module):
        """Replace the embedding table of the pretrained model."""
        self.inner.set_input_embeddings(table)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        column_numbers: Tensor | None = None,
        column_categories: Tensor | None = None,
        **kwargs,
    ) -> SequenceClassifierOutput:
        """Classify texts; the arguments are those of the custom models, and `token_type_ids` where `inner` has them.

        Returns:
            `logits` (batch, num_labels), which are log-probabilities with `config.ordinal`; with labels, `loss`.
        """
        given = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        given |= {"inputs_embeds": inputs_embeds}
        features = self.inner(**{name: value for name, value in given.items() if value is not None}).logits
        if self.config.reads_columns:
            features = self.columns(features, column_numbers, column_categories)
        logits = self.classifier(features)
        if self.config.ordinal:
            logits = class_log_probabilities(logits)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        """Initialise the head. The pretrained model initialises its own layers."""
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=0.1)
            init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, JoinedColumns):
            module.init_statistics()
