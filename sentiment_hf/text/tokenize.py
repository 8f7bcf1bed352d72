"""Tokenize a whole split, for training and for scoring."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial

import numpy as np
import tokenizers
from datasets.utils import tqdm
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.profile import station
from sentiment_hf.text.encode import is_its_backend, kept_part
from sentiment_hf.text.encoded import EncodedTexts
from sentiment_hf.text.line_breaks import LINE_BREAK_ENTRY
from sentiment_hf.text.windows import Windows, check_windows, encoded_texts

# Fewer texts are tokenized in the time in which files are written and read.
MANY = 5000


@station("tokenizing")
def tokenize(
    part: LabelledTexts, tokenizer: PreTrainedTokenizerBase, max_length: int, cache: Cache | None = None
) -> EncodedTexts:
    """The texts of a part as token ids, with the column `label`, and the columns beside the text if there are any.

    Texts are cut to `max_length` tokens, including special tokens, or read in windows of as many, as the tokenizer
    says. With a `cache`, many texts are tokenized once.

    Raises:
        InputError: `max_length` leaves no room for text, or --window_stride none for new tokens in a window.
    """
    special = tokenizer.num_special_tokens_to_add()
    if max_length <= special:
        raise InputError(
            f"--max_seq_length {max_length} leaves no room for text: expected at least {special + 1}, for the "
            f"tokenizer adds {special} special tokens to each."
        )
    check_windows(tokenizer, max_length)
    pieces = partial(encoded_pieces, part, tokenizer, max_length)
    folder = None
    if cache and len(part) >= MANY and is_its_backend(tokenizer):
        # Of two bytes a token, and one token for eight bytes of text: an estimate on the low side.
        tokens = min(max_length, part.column.nbytes // (8 * len(part.column)))
        key = key_of(part, tokenizer, max_length)
        folder = cache.folder(key, lambda home: EncodedTexts.save(pieces(), home), 2 * len(part) * tokens)
    texts = EncodedTexts.load(folder) if folder else EncodedTexts.joined(list(pieces()))
    texts = texts.with_column("label", part.labels)
    return texts.with_columns(part.extra.inputs) if part.extra else texts


def encoded_pieces(part: LabelledTexts, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Iterator[EncodedTexts]:
    """Yield the tokens of some texts after the other."""
    # Two bytes a token where the vocabulary allows it.
    dtype = np.uint16 if len(tokenizer) <= 2**16 else np.int32
    with tqdm(total=len(part), desc="Tokenizing") as bar:
        for batch in part.batches():
            yield encoded_texts(batch.to_pylist(), tokenizer, max_length, dtype)
            bar.update(len(batch))


def key_of(part: LabelledTexts, tokenizer: PreTrainedTokenizerFast, max_length: int) -> str:
    """The key of the tokens of a part in the cache: a hash of the texts and of all that `encode` depends on."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    # They are set for each text.
    del backend["truncation"], backend["padding"]
    settings = [tokenizers.__version__, max_length, kept_part(tokenizer), tokenizer.split_special_tokens]
    settings += [tokenizer.model_input_names, tokenizer.eos_token, tokenizer.pad_token, tokenizer.truncation_side]
    settings += [tokenizer.init_kwargs.get(LINE_BREAK_ENTRY), backend]
    if windows := Windows.of(tokenizer):
        settings.append([windows.overlap(max_length)])
    return "tokens-" + hashlib.sha256(part.texts_hash.encode() + json.dumps(settings).encode()).hexdigest()
