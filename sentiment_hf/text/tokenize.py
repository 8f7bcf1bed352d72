"""A whole part of the data to token ids, for training and for scoring."""

from datasets import Dataset
from transformers import BatchEncoding, PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.text.encode import encode


def tokenize(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
    """Columns text, label -> what the tokenizer returns (input_ids, attention_mask, ...), label, length in tokens.

    Texts are cut to `max_length` tokens, special tokens included, and not padded.

    Raises:
        InputError: when `max_length` leaves no room for text.
    """
    special = tokenizer.num_special_tokens_to_add()
    if max_length <= special:
        raise InputError(
            f"--max_seq_length {max_length} leaves no room for text: expected at least {special + 1}, for the "
            f"tokenizer adds {special} special tokens to each."
        )
    return dataset.map(
        _encode,
        batched=True,
        fn_kwargs={"tokenizer": tokenizer, "max_length": max_length},
        remove_columns=["text"],
        desc="Tokenizing",
    )


def _encode(batch: dict[str, list], tokenizer: PreTrainedTokenizerBase, max_length: int) -> BatchEncoding:
    encoded = encode(batch["text"], tokenizer, max_length)
    encoded["length"] = [len(ids) for ids in encoded["input_ids"]]
    return encoded
