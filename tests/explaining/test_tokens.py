"""Tokens of every kind of tokenizer are found in the words that they are of, however a long text is cut."""

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from sentiment_hf.explaining.tokens import places_tokens, read_tokens, require_as_predicted
from sentiment_hf.explaining.words import without, words_of
from sentiment_hf.text.encode import set_truncation
from sentiment_hf.text.line_breaks import read_line_breaks_as_spaces
from sentiment_hf.text.tokenizers import train_tokenizer
from sentiment_hf.text.windows import Windows, set_windows

TRAIN = [
    "The unbelievable film, warm and bright.",
    "I don’t know the waiter; 这个电影很好!",
    "so cold (again) and again",
] * 3
TEXTS = [
    "The unbelievable film, warm<br />and bright.",
    "I don’t know:   the waiters' unbelievably cold 电影",
    "ﬁlm ½ (again)–and so 🤷🏽‍♀️ I’ll, e.g., x",
    "again",
]


def own(kind: str) -> PreTrainedTokenizerBase:
    settings = {"vocab_size": 300, "min_frequency": 1, "lowercase": True, "model_max_length": 10**31}
    return train_tokenizer(TRAIN, kind, **settings)


def word_pieces() -> PreTrainedTokenizerBase:
    pieces = [
        "un",
        "##bel",
        "##iev",
        "##able",
        "##ably",
        "the",
        "film",
        "waiter",
        "##s",
        "so",
        "cold",
        "i",
        "and",
        "a",
    ]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces, "电", "影", ",", ".", "(", ")", "##gain", "'"]
    made = BertTokenizer(vocab={piece: place for place, piece in enumerate(vocabulary)})
    return read_line_breaks_as_spaces(made, "pieces")


def bytes_in_pairs() -> PreTrainedTokenizerBase:
    """As GPT-2 and RoBERTa have it, with a token before the text and one behind it."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>", "<pad>"]
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=special, initial_alphabet=alphabet)
    backend.train_from_iterator(TRAIN, trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=True)
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return read_line_breaks_as_spaces(PreTrainedTokenizerFast(tokenizer_object=backend, **tokens), "bytes")


def pieces_with_spaces() -> PreTrainedTokenizerBase:
    """As T5 and XLM-RoBERTa have it: a piece may be of several letters of a script without spaces."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    backend.train_from_iterator(
        [*TRAIN, *["电影很好"] * 50],
        trainers.UnigramTrainer(vocab_size=80, special_tokens=["<pad>", "<unk>"], unk_token="<unk>"),
    )
    tokens = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "<pad>"}
    return read_line_breaks_as_spaces(PreTrainedTokenizerFast(tokenizer_object=backend, **tokens), "spaces")


MAKE = {kind: (lambda kind=kind: own(kind)) for kind in ("word", "bpe", "char")}
MAKE |= {"word pieces": word_pieces, "bytes": bytes_in_pairs, "pieces with spaces": pieces_with_spaces}


@pytest.mark.parametrize("kind", MAKE)
def test_each_token_belongs_to_the_words_from_which_it_is(kind):
    tokenizer = MAKE[kind]()
    assert places_tokens(tokenizer)
    for text in TEXTS:
        words = words_of(text)
        (row,) = read_tokens(text, words, tokenizer)
        require_as_predicted(text, [row], tokenizer)
        share = row.share.toarray()
        assert share.sum(0) == pytest.approx(np.where(row.special, 0, 1))
        encoding = tokenizer.backend_tokenizer.encode(text)
        for place, (start, end) in enumerate(encoding.offsets):
            if row.special[place]:
                continue
            inside = [word for word, (first, last) in enumerate(words) if start < last and first < end]
            if inside:
                assert np.flatnonzero(share[:, place]).tolist() == inside
        if kind != "word pieces":
            assert (share.sum(1) > 0).all()
    text = "the unbelievable film"
    (row,) = read_tokens(text, words_of(text), tokenizer)
    if kind in ("char", "word pieces"):
        assert row.share.toarray()[1].sum() == {"char": 13, "word pieces": 4}[kind]


@pytest.mark.parametrize("cut", ["head", "tail", "head-tail", "windows"])
@pytest.mark.parametrize("kind", MAKE)
def test_a_long_text_is_cut_as_predict_cuts_it(kind, cut):
    tokenizer = MAKE[kind]()
    text = " ".join(TEXTS)
    words = words_of(text)
    for limit in (4, 9, 23, 1000):
        tokenizer.model_max_length = limit
        if cut == "windows":
            set_windows(tokenizer, Windows(1, "mean"))
        else:
            set_truncation(tokenizer, cut)
        rows = read_tokens(text, words, tokenizer)
        require_as_predicted(text, rows, tokenizer)
        read = np.any([row.share.sum(1) > 0 for row in rows], axis=0)
        if cut == "windows" and kind != "word pieces":
            assert read.all()
        if cut == "head" and limit == 4:
            assert read[0]
            assert not read[-1]
        if cut == "tail" and limit == 4:
            assert read[-1]
            assert not read[0]


def test_a_text_without_words_keeps_the_others_apart():
    text = "re-do (good), 这个!"
    words = words_of(text)
    names = [text[start:end] for start, end in words]
    assert names == ["re", "-", "do", "(", "good", ")", ",", "这", "个", "!"]

    def left(*gone: str) -> str:
        return without(text, words, np.isin(names, gone))

    assert left() == text
    assert left("-") == "re do (good), 这个!"
    assert left("good", ",") == "re-do ( ) 这个!"
    assert left("这") == "re-do (good), 个!"
    assert left(*names).strip() == ""
