"""The custom models: the only list of them, registered with the Auto classes.

This folder is flat and each file imports only its siblings, torch, transformers and huggingface_hub, because a saved
model takes its file and the siblings that it imports with it to the Hub. `model_type` is the name on the command line.
"""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from .attention import AttentionConfig, AttentionForSequenceClassification
from .base import TextClassifier, TextEncoder
from .fc import FCConfig, FCForSequenceClassification
from .ngram import NGramConfig, NGramForSequenceClassification
from .recurrent import (
    GRUConfig,
    GRUForSequenceClassification,
    LSTMConfig,
    LSTMForSequenceClassification,
    RNNConfig,
    RNNForSequenceClassification,
)
from .textcnn import TextCNNConfig, TextCNNForSequenceClassification
from .transformer import TransformerConfig, TransformerForSequenceClassification

MODELS = (
    (NGramConfig, NGramForSequenceClassification),
    (FCConfig, FCForSequenceClassification),
    (RNNConfig, RNNForSequenceClassification),
    (GRUConfig, GRUForSequenceClassification),
    (LSTMConfig, LSTMForSequenceClassification),
    (AttentionConfig, AttentionForSequenceClassification),
    (TransformerConfig, TransformerForSequenceClassification),
    (TextCNNConfig, TextCNNForSequenceClassification),
)

MODEL_NAMES = tuple(config.model_type for config, _ in MODELS)


def body_of(model: type[TextEncoder]) -> type[TextEncoder]:
    """The class of the body alone, which is the first base of a model that is no classifier."""
    return next(base for base in model.__mro__ if not issubclass(base, TextClassifier))


# Every model that has a vector for each token, with the class of its body, which AutoModel loads.
BODIES = tuple((config, body_of(model)) for config, model in MODELS if issubclass(model, TextEncoder))

for _config, _model in MODELS:
    AutoConfig.register(_config.model_type, _config)
    AutoModelForSequenceClassification.register(_config, _model)
    _config.register_for_auto_class()
    _model.register_for_auto_class("AutoModelForSequenceClassification")

for _config, _body in BODIES:
    AutoModel.register(_config, _body)
    _body.register_for_auto_class("AutoModel")
