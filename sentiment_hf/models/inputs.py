"""Which of the outputs of a tokenizer its model takes."""

import inspect

from transformers import PreTrainedModel, PreTrainedTokenizerBase


def keep_accepted_inputs(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Let the tokenizer make only what the model takes, now and when it is loaded again; it may make token types too.

    `Trainer` leaves out the rest in training; without this, the trained model would fail on a text.
    """
    accepted = inspect.signature(model.forward).parameters
    names = [name for name in tokenizer.model_input_names if name in accepted]
    if names != tokenizer.model_input_names:
        tokenizer.model_input_names = names
        tokenizer.init_kwargs["model_input_names"] = names
