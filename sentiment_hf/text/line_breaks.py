"""`<br />` is read as a space: a part of the saved tokenizer, so that `pipeline()` reads a text as training did."""

import copy
import logging
import re

from tokenizers import Regex, normalizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

LINE_BREAK = r"(?i)<br\s*/?>"

# The entry of tokenizer_config.json of a tokenizer without tokenizer.json; only `encode` knows it.
LINE_BREAK_ENTRY = "text_line_breaks"

PROBE = ["A <br />good film.<BR/><br >So it was, l'été 電影", "<br />", "dull<br>"]

# What a class of the library makes its own backend from, and where it was read from.
SOURCES = {"vocab", "merges", "vocab_file", "merges_file", "tokenizer_file", "tokenizer_object", "backend"}
SOURCES |= {"added_tokens_decoder", "name_or_path", "is_local", "local_files_only", "special_tokens_map_file"}

logger = logging.getLogger(__name__)


def read_line_breaks_as_spaces(tokenizer: PreTrainedTokenizerBase, name: str) -> PreTrainedTokenizerBase:
    """A tokenizer with the same tokens that reads `<br />` as a space, also after it is saved and loaded.

    Tokenizers in Python have no tokenizer.json. They get an entry that `encode` reads, and a warning names them.
    """
    if is_of_the_library(tokenizer):
        cleaned = with_normalizer(tokenizer)
        if cleaned(PROBE).data == tokenizer(spaces_for_line_breaks(PROBE)).data:
            return cleaned
    logger.warning("%s: its tokenizer cannot save that `<br />` is a space; `pipeline()` will read it as text", name)
    tokenizer.init_kwargs[LINE_BREAK_ENTRY] = "space"
    return tokenizer


def is_of_the_library(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether all that the tokenizer does is in its tokenizer.json; code from a checkpoint may do more."""
    return isinstance(tokenizer, PreTrainedTokenizerFast) and type(tokenizer).__module__.startswith("transformers.")


def with_normalizer(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The tokenizer with `<br />` replaced before all else, as the class that loads tokenizer.json as it is.

    Classes such as BertTokenizer make their own normalizer when they are loaded, whatever tokenizer.json has.
    """
    backend = copy.deepcopy(tokenizer.backend_tokenizer)
    if (own := backend.normalizer) is None or "<br" in own.normalize_str("<br />").lower():
        replaced = normalizers.Replace(Regex(LINE_BREAK), " ")
        backend.normalizer = normalizers.Sequence([replaced] if own is None else [replaced, own])
    kept = {name: value for name, value in tokenizer.init_kwargs.items() if name not in SOURCES}
    for name in ("model_input_names", "model_max_length", "padding_side", "truncation_side", "split_special_tokens"):
        kept[name] = getattr(tokenizer, name)
    # A token can be set after the tokenizer was made, as GPT-2 gets its padding.
    return PreTrainedTokenizerFast(tokenizer_object=backend, **kept | tokenizer.special_tokens_map)


def spaces_for_line_breaks(texts: list[str]) -> list[str]:
    """The texts with a space in place of each `<br />`."""
    return [re.sub(LINE_BREAK, " ", text) for text in texts]
