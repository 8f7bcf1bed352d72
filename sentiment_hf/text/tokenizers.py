"""Tokenizers that are trained on the train split: words, pieces of words or characters."""

from collections import Counter
from collections.abc import Iterable, Iterator

from datasets.utils import tqdm
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.text.encode import LINE_BREAK

# WordPiece is not among them, since it learns another vocabulary in every process (huggingface/tokenizers#1794).
KINDS = ("word", "bpe", "char")
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]"]

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


def split_words(texts: Iterable[str], lowercase: bool) -> Iterator[list[str]]:
    """The words and punctuation marks of each text, as the tokenizer `word` finds them."""
    normalizer, splitter = _normalizer(lowercase), _splitter()
    for text in texts:
        yield [word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]


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
