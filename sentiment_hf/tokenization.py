"""Text to token ids: a tokenizer trained on the train split, and the map that applies any tokenizer to a split."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from datasets import Dataset
from datasets.utils import tqdm
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BatchEncoding, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from sentiment_hf.errors import InputError, did_you_mean

# WordPiece is not among them, since it learns another vocabulary in every process (huggingface/tokenizers#1794).
KINDS = ("word", "bpe", "char")
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]"]

# The entry of tokenizer_config.json that says which part of a long text is kept.
KEPT = "text_truncation"

LINE_BREAK = r"(?i)<br\s*/?>"

# The apostrophe of "don't" stays inside the word, for there stands the negation; that of "l'homme" parts two words.
# Words are at most 100 characters, so that the cost of a text without spaces grows with its length and no faster.
WORD = r"[\p{L}\p{M}\p{N}]{1,100}(?:'\p{L}{1,2}(?![\p{L}\p{M}\p{N}]))?"


def train_tokenizer(
    texts: Iterable[str], kind: str, *, vocab_size: int, min_frequency: int, lowercase: bool, model_max_length: int
) -> PreTrainedTokenizerFast:
    """The same tokenizer for the same texts, in every process and with any number of threads.

    `kind` is `word` (words and punctuation marks), `bpe` (pieces of words) or `char`. `vocab_size` counts the three
    special tokens; what stands in `texts` less than `min_frequency` times is unknown. Each text gets a [CLS] in front.

    Raises:
        InputError: for a setting out of range, or when no token is left to learn.
    """
    if kind not in KINDS:
        raise InputError(f"--tokenizer {kind} is not a kind of tokenizer{did_you_mean(kind, KINDS)}.")
    if vocab_size < 10:
        raise InputError(f"--vocab_size {vocab_size} is too small: expected at least 10, special tokens included.")
    if min_frequency < 1:
        raise InputError(f"--min_frequency {min_frequency} is out of range: expected at least 1, which keeps all.")
    train = {"word": _train_word, "bpe": _train_bpe, "char": _train_char}[kind]
    backend = train(texts, _normalizer(lowercase), vocab_size, min_frequency)
    if backend.get_vocab_size() == len(SPECIAL_TOKENS):
        raise InputError(
            f"The train split holds no token that stands there {min_frequency} times, so there is nothing to learn: "
            "check that --text_column_names names the text, or lower --min_frequency."
        )
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", SPECIAL_TOKENS.index("[CLS]"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        model_max_length=model_max_length,
        model_input_names=["input_ids", "attention_mask"],
        padding_side="right",
        truncation_side="right",
        clean_up_tokenization_spaces=False,
        # A review that spells "[PAD]" has written five characters, not padding.
        split_special_tokens=True,
    )


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


def set_truncation(tokenizer: PreTrainedTokenizerBase, kept: str) -> None:
    """What is kept of a text that is too long: head, tail or head-tail; it is saved with the tokenizer.

    The library knows the first two by its own `truncation_side`; the third is known to `encode` alone.
    """
    tokenizer.truncation_side = "left" if kept == "tail" else "right"
    tokenizer.init_kwargs |= {"truncation_side": tokenizer.truncation_side, KEPT: kept}


def truncation(tokenizer: PreTrainedTokenizerBase) -> str:
    """head, tail or head-tail."""
    return tokenizer.init_kwargs.get(KEPT, "tail" if tokenizer.truncation_side == "left" else "head")


def encode(texts: list[str], tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> BatchEncoding:
    """The same ids for a text wherever it is read: input_ids, attention_mask, ..., each a list with a list per text.

    `<br />` is a space for every tokenizer, texts are cut to `max_length` (None: the tokenizer's own), and one
    without any token (what GPT-2 makes of "") is a single end-of-text token.
    """
    limit = {"truncation": True, "max_length": max_length}
    texts = [re.sub(LINE_BREAK, " ", text) for text in texts]
    if truncation(tokenizer) == "head-tail":
        # Not verbose: a warning of texts that are too long is out of place, as they are about to be cut.
        encoded = tokenizer(texts, return_special_tokens_mask=True, verbose=False)
        cut_middle(encoded, max_length or tokenizer.model_max_length)
    else:
        encoded = tokenizer(texts, **limit)
    for row in [row for row, ids in enumerate(encoded["input_ids"]) if not ids]:
        for name, values in tokenizer(tokenizer.eos_token or tokenizer.pad_token, **limit).items():
            encoded[name][row] = values
    return encoded


def cut_middle(encoded: BatchEncoding, limit: int) -> None:
    """Shorten each text to `limit` tokens: a quarter of what its own may take from its head, the rest from its tail.

    Special tokens stay. The proportion is that of Sun et al. 2019, section 5.3.1 (128 of 510 tokens).
    """
    for row, special in enumerate(encoded.pop("special_tokens_mask")):
        surplus = len(special) - limit
        if surplus > 0:
            start = special.index(0) + (limit - sum(special)) // 4
            for values in encoded.values():
                del values[row][start : start + surplus]


def split_words(texts: Iterable[str], lowercase: bool) -> Iterator[list[str]]:
    """The words and punctuation marks of each text, as the tokenizer `word` finds them."""
    normalizer, splitter = _normalizer(lowercase), _splitter()
    for text in texts:
        yield [word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]


def _encode(batch: dict[str, list], tokenizer: PreTrainedTokenizerBase, max_length: int) -> BatchEncoding:
    encoded = encode(batch["text"], tokenizer, max_length)
    encoded["length"] = [len(ids) for ids in encoded["input_ids"]]
    return encoded


def _normalizer(lowercase: bool) -> normalizers.Normalizer:
    """One spelling of what means the same; accents stay, for in most languages they tell words apart."""
    return normalizers.Sequence(
        [
            normalizers.Replace(Regex(LINE_BREAK), " "),
            normalizers.NFKC(),
            *([normalizers.Lowercase()] if lowercase else []),
            normalizers.Replace("\u2019", "'"),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )


def _splitter() -> pre_tokenizers.PreTokenizer:
    """A normalized text to words and single other characters."""
    return pre_tokenizers.Split(Regex(rf"{WORD}|\S"), behavior="removed", invert=True)


def _train_word(
    texts: Iterable[str], normalizer: normalizers.Normalizer, vocab_size: int, min_frequency: int
) -> Tokenizer:
    backend = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    backend.normalizer = normalizer
    backend.pre_tokenizer = _splitter()
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=SPECIAL_TOKENS, show_progress=False
    )
    backend.train_from_iterator(tqdm(texts, desc="Training the tokenizer"), trainer)
    return backend


def _train_bpe(
    texts: Iterable[str], normalizer: normalizers.Normalizer, vocab_size: int, min_frequency: int
) -> Tokenizer:
    """A word takes the space before it along, so that "the rapist" and "therapist" are told apart."""
    texts = list(texts)
    alphabet = _frequent_characters(texts, normalizer, vocab_size, min_frequency)
    backend = Tokenizer(models.BPE(unk_token="[UNK]"))
    backend.normalizer = normalizers.Sequence([normalizer, normalizers.Prepend(" ")])
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(rf" ?{WORD}|\S"), behavior="removed", invert=True)
    backend.decoder = decoders.Fuse()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=SPECIAL_TOKENS,
        # The trainer's own choice among equally frequent characters differs from process to process.
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    backend.train_from_iterator(tqdm(texts, desc="Training the tokenizer"), trainer)
    return backend


def _train_char(
    texts: Iterable[str], normalizer: normalizers.Normalizer, vocab_size: int, min_frequency: int
) -> Tokenizer:
    """BPE without merges: every character is a token, the space between words too."""
    tokens = SPECIAL_TOKENS + _frequent_characters(texts, normalizer, vocab_size, min_frequency)
    backend = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, [], unk_token="[UNK]"))
    backend.normalizer = normalizer
    backend.decoder = decoders.Fuse()
    return backend


def _frequent_characters(
    texts: Iterable[str], normalizer: normalizers.Normalizer, vocab_size: int, min_frequency: int
) -> list[str]:
    """The most frequent first, ties in the order of Unicode, as many as fit beside the special tokens."""
    counts = Counter()
    for text in tqdm(texts, desc="Counting characters"):
        counts.update(normalizer.normalize_str(text))
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    frequent = [character for character in ranked if counts[character] >= min_frequency]
    return frequent[: vocab_size - len(SPECIAL_TOKENS)]
