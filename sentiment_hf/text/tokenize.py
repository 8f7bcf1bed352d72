"""Tokenize a whole split, for training and for scoring."""

import numpy as np
from datasets.utils import tqdm
from transformers import PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.text.encode import encode
from sentiment_hf.text.encoded import EncodedTexts


def tokenize(part: LabelledTexts, tokenizer: PreTrainedTokenizerBase, max_length: int) -> EncodedTexts:
    """The texts of a part as token ids, with the column `label`.

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
    with tqdm(total=len(part), desc="Tokenizing") as bar:
        for batch in part.batches():
            parts.append(EncodedTexts.of(encode(batch.to_pylist(), tokenizer, max_length), dtype))
            bar.update(len(batch))
    return EncodedTexts.joined(parts).with_column("label", part.labels)
