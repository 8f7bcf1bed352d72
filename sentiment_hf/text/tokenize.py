"""Tokenize a whole split, for training and for scoring."""

import numpy as np
from datasets import Dataset
from datasets.utils import tqdm
from transformers import PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.text.encode import encode
from sentiment_hf.text.encoded import EncodedTexts

# Texts that are handed to the tokenizer at a time, which shares them among all cores.
CHUNK = 1000


def tokenize(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> EncodedTexts:
    """The columns text and label of a split as token ids and `label`.

    Texts are cut to `max_length` tokens, including special tokens.

    Raises:
        InputError: `max_length` leaves no room for text.
    """
    special = tokenizer.num_special_tokens_to_add()
    if max_length <= special:
        raise InputError(
            f"--max_seq_length {max_length} leaves no room for text: expected at least {special + 1}, for the "
            f"tokenizer adds {special} special tokens to each."
        )
    # Two bytes a token where the vocabulary allows it.
    dtype = np.uint16 if len(tokenizer) <= 2**16 else np.int32
    parts = []
    with tqdm(total=len(dataset), desc="Tokenizing") as bar:
        for batch in dataset.select_columns(["text"]).iter(CHUNK):
            parts.append(EncodedTexts.of(encode(batch["text"], tokenizer, max_length), dtype))
            bar.update(len(batch["text"]))
    return EncodedTexts.joined(parts).with_column("label", np.asarray(dataset["label"][:]))
