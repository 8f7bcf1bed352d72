"""From a `ModelRef` to a `PreTrainedModel` with its tokenizer."""
