"""The list of the custom models, and their registration with the Auto classes.

A model that is pushed to the Hub takes with it its file and the files of this folder that this file imports. The
folder is therefore flat, and each file imports only its neighbours, torch, transformers and huggingface_hub. The
`model_type` of a model is its name on the command line.
"""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
)

from .attention import AttentionConfig, AttentionForSequenceClassification
from .base import TextClassifier, TextEncoder
from .fc import FCConfig, FCForSequenceClassification
from .language import GRUForCausalLM, LSTMForCausalLM, RNNForCausalLM, TransformerForMaskedLM
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
from .wrapped import WrappedConfig, WrappedForSequenceClassification

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

# A pretrained classifier under a head of ours. No name of --model makes one: a run wraps a checkpoint where it must.
WRAPPED = WrappedConfig.model_type

# The models whose code travels with a checkpoint.
OWN_CODE = (*MODEL_NAMES, WRAPPED)


def body_of(model: type[TextEncoder]) -> type[TextEncoder]:
    """The class of the body of a model: the first class in its method resolution order that is not a classifier."""
    return next(base for base in model.__mro__ if not issubclass(base, TextClassifier))


# (config, class of the body) of each model that has a vector for each token. AutoModel loads the body.
BODIES = tuple((config, body_of(model)) for config, model in MODELS if issubclass(model, TextEncoder))

for _config, _model in (*MODELS, (WrappedConfig, WrappedForSequenceClassification)):
    AutoConfig.register(_config.model_type, _config)
    AutoModelForSequenceClassification.register(_config, _model)
    _config.register_for_auto_class()
    _model.register_for_auto_class("AutoModelForSequenceClassification")

# The language models whose bodies are those of classifiers, and how the Auto classes call them.
LANGUAGE_MODELS = (
    (RNNConfig, RNNForCausalLM, AutoModelForCausalLM),
    (GRUConfig, GRUForCausalLM, AutoModelForCausalLM),
    (LSTMConfig, LSTMForCausalLM, AutoModelForCausalLM),
    (TransformerConfig, TransformerForMaskedLM, AutoModelForMaskedLM),
)

for _config, _model, _auto in LANGUAGE_MODELS:
    _auto.register(_config, _model)
    _model.register_for_auto_class(_auto.__name__)

for _config, _body in BODIES:
    AutoModel.register(_config, _body)
    _body.register_for_auto_class("AutoModel")
