"""Promises of sentiment_hf.text.tokenizers."""

import os
import subprocess
import sys

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.text.encode import encode, set_truncation
from sentiment_hf.text.encoded import EncodedTexts, pad
from sentiment_hf.text.line_breaks import read_line_breaks_as_spaces
from sentiment_hf.text.tokenize import MANY, tokenize
from sentiment_hf.text.tokenizers import KINDS, WORD, split_words, train_tokenizer

TEXTS = [
    "I don't like this film, not at all!",
    "I don't like this book.<br /><br />Not at all.",
    "A fine film: the actors, the light, all of it.",
    "Très bon film, l'acteur est bon.",
    "味道很好,送餐快。味道不好。",
] * 3

# Trains each kind on many words and characters of equal frequency, and prints the vocabulary.
TRAIN_ON_TIES = """
import hashlib, itertools
from sentiment_hf.text.tokenizers import KINDS, train_tokenizer

words = ["".join(letters) for letters in itertools.permutations("abcdef", 4)]
texts = words + [chr(0x4E00 + i) for i in range(500)]
for kind in KINDS:
    tokenizer = train_tokenizer(
        texts, kind, vocab_size=100, min_frequency=1, lowercase=True, model_max_length=8
    )
    print(kind, len(tokenizer), hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest())
"""


def trained(kind="word", texts=TEXTS, vocab_size=500, min_frequency=2, lowercase=True):
    return train_tokenizer(
        texts, kind, vocab_size=vocab_size, min_frequency=min_frequency, lowercase=lowercase, model_max_length=64
    )


def tokens(tokenizer, text):
    return tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


# Of which the vocabulary comes from texts.
LEARNED = [kind for kind in KINDS if kind != "bytes"]


def test_every_process_learns_the_same_vocabulary():
    outputs = [
        subprocess.run(
            [sys.executable, "-c", TRAIN_ON_TIES],
            env={**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed, threads in [("1", "1"), ("2", "4")]
    ]
    assert [line.split()[:2] for line in outputs[0].splitlines()] == [
        *([kind, "100"] for kind in LEARNED),
        ["bytes", "259"],
    ]
    assert outputs[0] == outputs[1]


def test_any_text_has_a_token(kind):
    tokenizer = trained(kind)
    for text in ("", " ", "\n\t", "<br />"):
        assert tokens(tokenizer, text) == ["[CLS]"]


def test_special_tokens_have_the_first_ids(kind):
    tokenizer = trained(kind)
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id) == (0, 1, 2)


@pytest.mark.parametrize("kind", LEARNED)
def test_vocabulary_is_dense_and_within_its_size(kind):
    vocabulary = trained(kind, vocab_size=20).get_vocab()
    assert sorted(vocabulary.values()) == list(range(20))


def test_bytes_are_learned_from_no_text_and_know_every_text():
    one, other = (trained("bytes", texts=texts) for texts in (TEXTS, []))
    assert one.backend_tokenizer.to_str() == other.backend_tokenizer.to_str()
    text = "très bon, 😀 好!"
    ids = one(text).input_ids
    assert len(ids) == 1 + len(text.encode())
    assert one.unk_token_id not in ids
    assert one.decode(ids[1:]) == text


def test_negation_and_punctuation_survive():
    assert tokens(trained(), "I don\u2019t like it!") == ["[CLS]", "i", "don't", "like", "it", "!"]
    assert tokens(trained(), "l'acteur, DON'T") == ["[CLS]", "l", "'", "acteur", ",", "don't"]


@pytest.mark.parametrize("line_break", ["<br />", "<br/>", "<br>", "<BR />"])
def test_line_break_is_a_space(kind, line_break):
    tokenizer = trained(kind)
    assert tokenizer(f"film{line_break}book").input_ids == tokenizer("film book").input_ids


def test_accents_stay_and_case_folds_if_asked():
    assert tokens(trained(), "TRÈS tres") == ["[CLS]", "très", "[UNK]"]
    assert tokens(trained(lowercase=False), "Très très") == ["[CLS]", "Très", "[UNK]"]


def test_rare_tokens_are_unknown():
    tokenizer = trained(texts=["good good bad bad odd"])
    assert tokens(tokenizer, "good odd bad") == ["[CLS]", "good", "[UNK]", "bad"]


def test_characters_need_no_spaces():
    assert tokens(trained("char"), "味道 好") == ["[CLS]", "味", "道", " ", "好"]


def test_pieces_know_where_a_word_begins():
    tokenizer = trained("bpe", texts=["the rapist", "therapist"] * 5)
    assert tokenizer("the rapist").input_ids != tokenizer("therapist").input_ids


def test_special_token_spelled_in_a_text_is_text(kind, tmp_path):
    tokenizer = trained(kind, texts=[*TEXTS, "[PAD] [CLS] [UNK]", "[PAD] [CLS] [UNK]"], lowercase=False)
    tokenizer.save_pretrained(tmp_path)
    for each in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        ids = each("good [PAD] [CLS] film").input_ids
        assert ids.count(each.pad_token_id) == 0
        assert ids.count(each.cls_token_id) == 1


def test_folder_is_read_without_this_package(kind, tmp_path):
    tokenizer = trained(kind)
    tokenizer.save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"tokenizer.json", "tokenizer_config.json"}
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    arguments = {"padding": True, "truncation": True, "max_length": 8}
    assert dict(loaded([*TEXTS, ""], **arguments)) == dict(tokenizer([*TEXTS, ""], **arguments))
    assert (loaded.padding_side, loaded.truncation_side, loaded.model_max_length) == ("right", "right", 64)
    assert loaded.model_input_names == ["input_ids", "attention_mask"]


# Were the cost quadratic, this would take an hour.
@pytest.mark.parametrize("unit", ["a", "味", "'", "<br />", "\u0301"])
def test_a_megabyte_without_spaces_passes(kind, unit):
    text = unit * (1_000_000 // len(unit.encode()))
    tokenizer = trained(kind, texts=[*TEXTS, text])
    assert len(tokenizer(text, truncation=True, max_length=64).input_ids) <= 64


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "wrod"}, "did you mean 'word'"),
        ({"vocab_size": 9}, "--vocab_size 9"),
        ({"min_frequency": 0}, "--min_frequency 0"),
        ({"min_frequency": 1000}, "--min_frequency"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes, named):
    with pytest.raises(InputError, match=named):
        trained(**changes)


@pytest.mark.parametrize("kind", LEARNED)
def test_texts_without_tokens_are_refused(kind):
    with pytest.raises(InputError, match="nothing to learn"):
        trained(kind, texts=["", "<br />"])


def labelled(texts):
    return LabelledTexts.of(texts, [0] * len(texts))


def test_rows_are_cut_and_keep_label_and_length():
    texts = tokenize(labelled(["", "this film", "this film, " * 50]), trained(), max_length=8)
    assert {*texts.values, *texts.columns} == {"input_ids", "label"}
    assert texts.lengths.tolist() == [1, 3, 8]
    assert [len(ids) for ids in texts.texts()] == [1, 3, 8]


def test_long_texts_do_not_warn(recwarn, caplog):
    tokenize(labelled(["this film " * 500]), trained(), max_length=200)
    assert not recwarn.list
    assert not caplog.records


def test_length_without_room_for_text_is_refused():
    with pytest.raises(InputError, match="--max_seq_length 1 "):
        tokenize(labelled(TEXTS), trained(), max_length=1)


def test_line_break_is_a_space_for_any_tokenizer():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "book", "br", "<", "/", ">"]
    bert = BertTokenizer(vocab={word: index for index, word in enumerate(words)})
    bert = read_line_breaks_as_spaces(bert, "bert")
    broken, spaced = encode(["film<BR />book", "film book"], bert)["input_ids"]
    assert broken == spaced
    assert tokenize(labelled(["film<br>book"]), bert, max_length=8)[0]["input_ids"] == spaced


def test_text_without_tokens_is_an_end_of_text():
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "film": 1, "<eos>": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    bare = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", eos_token="<eos>", pad_token="<eos>")
    encoded = encode(["", "film film", " "], bare)
    assert encoded["input_ids"] == [[2], [1, 1], [2]]
    assert tokenize(labelled(["", "film"]), bare, max_length=8).lengths.tolist() == [1, 1]


@pytest.mark.parametrize("special_as_text", [True, False])
@pytest.mark.parametrize("limit", [None, 6])
def test_ids_are_those_of_the_tokenizer_when_it_is_called(kind, limit, special_as_text):
    tokenizer = trained(kind)
    tokenizer.split_special_tokens = special_as_text
    texts = [
        *TEXTS,
        "",
        "  A film [PAD] of [UNK]  taste,\tand\n\nnot \u2019twas\u2019 l\u2019\u00e9t\u00e9 \ufb01lm <br /> of it",
    ]
    cut = {} if limit is None else {"truncation": True, "max_length": limit}
    assert encode(texts, tokenizer, limit)["input_ids"] == tokenizer(texts, **cut)["input_ids"]
    # As before, with what the library adds by itself.
    assert tokenizer(texts)["input_ids"][0] == encode(texts[:1], tokenizer)["input_ids"][0]


class WithPrompt(BertTokenizer):
    """Does more than its backend, as LayoutLM does."""

    def _encode_plus(self, text, *args, **kwargs):
        return super()._encode_plus([f"film {one}" for one in text], *args, **kwargs)


@pytest.mark.parametrize("of", [BertTokenizer, WithPrompt])
def test_a_class_of_the_library_is_cached_if_its_backend_does_all(tmp_path, of):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "book", "dull", "not"]
    bert = of(vocab={word: index for index, word in enumerate(words)})
    many = LabelledTexts.of([f"{'not ' * (row % 5)}dull book" for row in range(MANY)], [0] * MANY)
    expected = bert(many.texts, truncation=True, max_length=6)
    for _ in range(2):
        found = tokenize(many, bert, 6, Cache(tmp_path))
        assert [ids.tolist() for ids in found.texts()] == expected["input_ids"]
        assert [ids.tolist() for ids in found.texts("token_type_ids")] == expected["token_type_ids"]
    assert len(list(tmp_path.iterdir())) == (of is BertTokenizer)


def test_a_selection_keeps_texts_and_columns_in_its_order():
    texts = tokenize(labelled(["this film", "", "a dull film , this"]), trained(), max_length=8)
    texts = texts.with_column("row", np.arange(3))
    chosen = texts.select([2, 0]).select(np.array([1, 0, 0]))
    expected = [texts[row]["input_ids"] for row in (0, 2, 2)]
    assert [ids.tolist() for ids in chosen.texts()] == expected
    assert chosen.columns["row"].tolist() == [0, 2, 2]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_that_of_the_library(side):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "book"]
    bert = BertTokenizer(vocab={word: index for index, word in enumerate(words)}, padding_side=side)
    texts = ["film", "film book film", ""]
    expected = bert(texts, padding=True, return_tensors="pt")
    padded = pad(EncodedTexts.of(encode(texts, bert)), bert)
    assert padded.keys() == expected.keys()
    assert all((padded[name] == expected[name].numpy()).all() for name in expected)


@pytest.fixture
def many() -> LabelledTexts:
    return LabelledTexts.of([f"this film {row % 7} , {'not ' * (row % 5)}dull" for row in range(MANY)], [0] * MANY)


def test_many_texts_are_tokenized_once(many, tmp_path):
    cache, tokenizer = Cache(tmp_path), trained()
    first = tokenize(many, tokenizer, 8, cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sentiment_hf.text.tokenize.encoded_texts", None)
        again = tokenize(many, trained(), 8, cache)
    without = tokenize(many, tokenizer, 8)
    for other in (again, without):
        assert (first.lengths == other.lengths).all()
        assert (first.values["input_ids"] == other.values["input_ids"]).all()


def test_another_text_or_setting_is_another_entry(many, tmp_path):
    cache = Cache(tmp_path)
    tokenize(many, trained(), 8, cache)
    swapped = many.select(np.arange(MANY))
    column = [*many.texts[1:], many.texts[0]]
    uncased, pieces, tail = trained(lowercase=False), trained("bpe"), trained()
    set_truncation(tail, "tail")
    for count, given in enumerate(
        [
            (many, trained(), 8),
            (swapped, trained(), 8),
            (LabelledTexts.of(column, many.labels), trained(), 8),
            (many, trained(), 7),
            (many, uncased, 8),
            (many, pieces, 8),
            (many, tail, 8),
        ]
    ):
        tokenize(*given, cache)
        assert len(list(tmp_path.iterdir())) == max(1, count)


def test_few_texts_are_not_cached(tmp_path):
    tokenize(labelled(TEXTS), trained(), 8, Cache(tmp_path))
    assert not list(tmp_path.iterdir())


LETTERS = {
    "Chinese": ("\u5473\u9053\u597d OK\uff01", ["\u5473", "\u9053", "\u597d", "ok", "!"]),
    "Japanese": ("\u6620\u753b\u306f\u30a2", ["\u6620", "\u753b", "\u306f", "\u30a2"]),
    "Thai": ("\u0e14\u0e35\u0e21\u0e32\u0e01", ["\u0e14\u0e35", "\u0e21", "\u0e32", "\u0e01"]),
    "Lao": ("\u0eae\u0eb9\u0e9a", ["\u0eae\u0eb9", "\u0e9a"]),
    "Khmer": ("\u1797\u17b6\u1796", ["\u1797\u17b6", "\u1796"]),
    "Burmese": ("\u101b\u102f\u1015\u103a", ["\u101b\u102f", "\u1015\u103a"]),
    "mixed": ("iPhone\u624b\u673a12", ["iphone", "\u624b", "\u673a", "12"]),
}


@pytest.mark.parametrize("language", LETTERS)
def test_a_letter_of_a_script_without_spaces_is_a_word_with_its_marks(language):
    text, words = LETTERS[language]
    assert list(split_words([text], lowercase=True)) == [words]


def test_words_of_other_scripts_are_what_they_were():
    """Split by the regular expression of earlier versions, whose saved tokenizers have it."""
    before = pre_tokenizers.Split(Regex(rf"{WORD}|\S"), behavior="removed", invert=True)
    texts = ["Don't! l'homme, na\u00efve 3.5x", "a" * 250, "\U0001f600\U0001f600 x_y"]
    # Russian, Korean, Arabic, Hindi.
    texts += ["\u0444\u0438\u043b\u044c\u043c \u0445\u043e\u0440", "\uc601\ud654\uac00 \uc88b\ub2e4"]
    texts += ["\u0641\u064a\u0644\u0645 \u062c\u064a\u062f", "\u092b\u093c\u093f\u0932\u094d\u092e"]
    for text in texts:
        assert list(split_words([text], lowercase=False)) == [[word for word, _ in before.pre_tokenize_str(text)]]
