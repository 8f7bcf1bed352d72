"""Train a tokenizer on the train split: words, pieces of words or characters."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from datasets.utils import tqdm
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.text.line_breaks import LINE_BREAK

# WordPiece is missing: it learns a different vocabulary in every process (huggingface/tokenizers#1794).
KINDS = ("word", "bpe", "char", "bytes")
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]"]

# The apostrophe of "don't" belongs to the word, which keeps its negation; that of "l'homme" separates two words.
# A word has at most 100 characters. This keeps the time for a text without spaces proportional to its length.
WORD = r"[\p{L}\p{M}\p{N}]{1,100}(?:'\p{L}{1,2}(?![\p{L}\p{M}\p{N}]))?"

# Scripts that put no spaces between words: in `word` a letter of them, with its marks, is a word of its own.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
SPACED_WORD = WORD.replace(r"[\p{L}\p{M}\p{N}]{1", rf"[\p{{L}}\p{{M}}\p{{N}}&&[^{UNSPACED}]]{{1")
# What the tokenizer `word` takes for words.
WORDS = rf"{SPACED_WORD}|[{UNSPACED}]\p{{M}}*|\S"


def train_tokenizer(
    texts: Iterable[str], kind: str, *, vocab_size: int, min_frequency: int, lowercase: bool, model_max_length: int
) -> PreTrainedTokenizerFast:
    """Train a tokenizer. The same texts give the same tokenizer in every process, with any number of threads.

    `kind` is `word` (words and punctuation marks), `bpe` (pieces of words), `char`, or `bytes` (of UTF-8), which
    learns nothing from `texts`. `vocab_size` includes the three special tokens. A token that occurs less than
    `min_frequency` times in `texts` becomes [UNK]. The tokenizer puts [CLS] in front of each text.

    Raises:
        InputError: a setting is out of range, or no token is frequent enough.
    """
    _check_settings(kind, vocab_size, min_frequency)
    train = {"word": _train_word, "bpe": _train_bpe, "char": _train_char, "bytes": _all_bytes}[kind]
    backend = train(texts, lowercase, vocab_size, min_frequency)
    if backend.get_vocab_size() == len(SPECIAL_TOKENS):
        raise InputError(
            f"The train split holds no token that stands there {min_frequency} times, so there is nothing to learn: "
            "check that --text_column_names names the text, or lower --min_frequency."
        )
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", SPECIAL_TOKENS.index("[CLS]"))]
    )
    return _with_settings(backend, model_max_length)


def read_tokenizer(file: Path, model_max_length: int) -> PreTrainedTokenizerFast:
    """The tokenizer that `train_tokenizer` made and a run saved as tokenizer.json, for texts of another length."""
    backend = Tokenizer.from_file(str(file))
    # The file has the truncation of the last text, which the library would take for a setting.
    backend.no_truncation()
    return _with_settings(backend, model_max_length)


def _with_settings(backend: Tokenizer, model_max_length: int) -> PreTrainedTokenizerFast:
    """The tokenizer of transformers around `backend`."""
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
        # The characters "[PAD]" in a review are text, not the padding token.
        split_special_tokens=True,
    )


def split_words(texts: Iterable[str], lowercase: bool) -> Iterator[list[str]]:
    """Yield the words and punctuation marks of each text, split as the tokenizer `word` splits them."""
    normalizer, splitter = _normalizer(lowercase), _splitter()
    for text in texts:
        yield [word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]


def _check_settings(kind: str, vocab_size: int, min_frequency: int) -> None:
    """Raise InputError for a setting that is out of range."""
    if kind not in KINDS:
        raise InputError(f"--tokenizer {kind} is not a kind of tokenizer{did_you_mean(kind, KINDS)}.")
    if vocab_size < 10:
        raise InputError(f"--vocab_size {vocab_size} is too small: expected at least 10, special tokens included.")
    if min_frequency < 1:
        raise InputError(f"--min_frequency {min_frequency} is out of range: expected at least 1, which keeps all.")


def _normalizer(lowercase: bool) -> normalizers.Normalizer:
    """Give equivalent characters one spelling. Accents stay, because they distinguish words in most languages."""
    return normalizers.Sequence(
        [
            normalizers.Replace(Regex(LINE_BREAK), " "),
            normalizers.NFKC(),
            *([normalizers.Lowercase()] if lowercase else []),
            normalizers.Replace("\u2019", "'"),
        ]
    )


def _spaced_normalizer(lowercase: bool) -> normalizers.Normalizer:
    """As `_normalizer`, with one space between words, for tokenizers that have a token for it."""
    spaces = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    return normalizers.Sequence([_normalizer(lowercase), *spaces])


def _splitter() -> pre_tokenizers.PreTokenizer:
    """Split a normalized text into words; every other character is a token of its own."""
    return pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)


def _train_word(texts: Iterable[str], lowercase: bool, vocab_size: int, min_frequency: int) -> Tokenizer:
    backend = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    backend.normalizer = _normalizer(lowercase)
    backend.pre_tokenizer = _splitter()
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=SPECIAL_TOKENS, show_progress=False
    )
    backend.train_from_iterator(tqdm(texts, desc="Training the tokenizer"), trainer)
    return backend


def _train_bpe(texts: Iterable[str], lowercase: bool, vocab_size: int, min_frequency: int) -> Tokenizer:
    """A token includes the space before its word, which distinguishes "the rapist" from "therapist"."""
    texts, normalizer = list(texts), _spaced_normalizer(lowercase)
    alphabet = _frequent_characters(texts, normalizer, vocab_size, min_frequency)
    backend = Tokenizer(models.BPE(unk_token="[UNK]"))
    backend.normalizer = normalizers.Sequence([normalizer, normalizers.Prepend(" ")])
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(rf" ?{WORD}|\S"), behavior="removed", invert=True)
    backend.decoder = decoders.Fuse()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=SPECIAL_TOKENS,
        # BpeTrainer chooses among equally frequent characters in an order that differs between processes.
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    backend.train_from_iterator(tqdm(texts, desc="Training the tokenizer"), trainer)
    return backend


def _train_char(texts: Iterable[str], lowercase: bool, vocab_size: int, min_frequency: int) -> Tokenizer:
    """BPE without merges: every character is a token, including the space between words."""
    normalizer = _spaced_normalizer(lowercase)
    tokens = SPECIAL_TOKENS + _frequent_characters(texts, normalizer, vocab_size, min_frequency)
    backend = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, [], unk_token="[UNK]"))
    backend.normalizer = normalizer
    backend.decoder = decoders.Fuse()
    return backend


def _all_bytes(texts: Iterable[str], lowercase: bool, vocab_size: int, min_frequency: int) -> Tokenizer:
    """A token for each byte, whatever stands in the texts. Of a text nothing is unknown."""
    tokens = SPECIAL_TOKENS + sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, [], unk_token="[UNK]"))
    backend.normalizer = _spaced_normalizer(lowercase)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return backend


def _frequent_characters(
    texts: Iterable[str], normalizer: normalizers.Normalizer, vocab_size: int, min_frequency: int
) -> list[str]:
    """At most `vocab_size` minus the special tokens, most frequent first; ties are in Unicode order."""
    counts = Counter()
    for text in tqdm(texts, desc="Counting characters"):
        counts.update(normalizer.normalize_str(text))
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    frequent = [character for character in ranked if counts[character] >= min_frequency]
    return frequent[: vocab_size - len(SPECIAL_TOKENS)]
