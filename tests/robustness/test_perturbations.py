"""A changed text says what it said: which characters stay, and for which texts a change is meant."""

import csv
import re
from itertools import groupby
from pathlib import Path
from random import Random

import pytest

import sentiment_hf.data
from sentiment_hf.robustness.names import NAMES
from sentiment_hf.robustness.negations import IS_POSITIVE, PAIRS, signs
from sentiment_hf.robustness.perturbations import IRRELEVANT, PERTURBATIONS, applying, gone, on_words
from sentiment_hf.robustness.script import Script
from sentiment_hf.robustness.spelling import SPELLINGS, american

BY_KEY = {one.key: one for one in PERTURBATIONS}
ENGLISH = Script(is_unspaced=False, is_english=True)
UNSPACED = Script(is_unspaced=True, is_english=False)
REVIEW = "It wasn't a <br />GREAT film; the actors' voices were, well, rather “flat” (and 3.5 hours long)!"
CHINESE = "这家店的牛肉面味道很好，老板也很热情，下次还会再来。送餐速度有点慢，但是可以接受！"
THAI = "อาหารอร่อยมากและพนักงานบริการดีมาก"
JAPANESE = "この映画はとても面白かったです。また見たいと思います。"
GERMAN = "Der Film war leider nicht so gut, wie ich es nach den Kritiken und dem Trailer erwartet hatte."
DUTCH = "De film was heel goed en de zaal zat vol, maar het geluid is niet zo best."
KOREAN = "이 영화는 정말 재미있었어요. 다시 보고 싶습니다."
HINDI = "यह फ़िल्म बहुत अच्छी थी, और कहानी भी।"


def sample_texts() -> list[str]:
    """The test rows of the sample, and a text with everything that is to stay."""
    file = Path(sentiment_hf.data.__file__).parent / "sample" / "test.csv"
    with file.open(encoding="utf-8", newline="") as opened:
        return [REVIEW, *(row["text"] for row in csv.DictReader(opened))]


TEXTS = sample_texts()
assert len(TEXTS) > 100


def changed(key: str, script: Script = ENGLISH) -> list[tuple[str, str]]:
    """(text, changed text) of all rows."""
    return [(text, BY_KEY[key].applied(text, row, script)) for row, text in enumerate(TEXTS)]


def letters(text: str) -> str:
    """The letters and digits of a text."""
    return re.sub(r"[\W_]", "", text)


@pytest.mark.parametrize("one", PERTURBATIONS, ids=lambda one: one.key)
def test_a_row_gets_the_same_text_each_time(one):
    assert [one.applied(text, row, ENGLISH) for row, text in enumerate(TEXTS)] == [b for _, b in changed(one.key)]
    assert any(a != b for a, b in changed(one.key))
    assert all(b.lower().count("<br />") == a.count("<br />") for a, b in changed(one.key))


def test_the_text_of_a_row_is_that_of_its_number_and_of_the_perturbation_in_every_process():
    assert (
        BY_KEY["typos_30"].applied("The waiter was wonderful tonight", 7, ENGLISH)
        == "The waiiter was woonderful toonight"
    )
    found = {BY_KEY["dropped_20"].applied(REVIEW, row, ENGLISH) for row in range(20)}
    assert len(found) > 15


def test_names_and_perturbations_are_the_same_ones():
    assert list(NAMES) == [one.key for one in PERTURBATIONS]


@pytest.mark.parametrize(("key", "share"), [("typos_10", 0.1), ("typos_30", 0.3)])
def test_a_typo_is_one_letter_in_the_middle_of_a_word(key, share):
    pairs = [pair for a, b in changed(key) for pair in zip(a.split(), b.split(), strict=True)]
    assert len(pairs) > 1000
    wrong = [(a, b) for a, b in pairs if a != b]
    for a, b in wrong:
        assert abs(len(a) - len(b)) <= 1
        assert letters(a)[0] == letters(b)[0]
        assert letters(a)[-1] == letters(b)[-1]
        if len(a) == len(b):
            assert sorted(a) == sorted(b)
    # Of words of four letters or more, but a swap of equal letters changes nothing.
    long = sum(len(letters(a)) > 3 for a, _ in pairs)
    assert len(wrong) / long == pytest.approx(share, rel=0.15)


def test_a_fifth_of_the_words_is_dropped_and_the_others_stay_in_their_order():
    words, left = (sum(len(re.findall(r"[\w']+", pair[side])) for pair in changed("dropped_20")) for side in (0, 1))
    assert left / words == pytest.approx(0.8, abs=0.02)
    for a, b in changed("dropped_20"):
        rest = iter(a)
        assert all(letter in rest for letter in b)
    assert on_words(gone, 1)("Don't stop, <br />please.", Random(0)) == " , <br />."


def test_only_vowels_grow_in_elongated_words():
    for a, b in changed("elongated_10"):
        assert [letter for letter, _ in groupby(a)] == [letter for letter, _ in groupby(b)]
        assert len(b) >= len(a)


def test_upper_case_keeps_every_letter_and_no_punctuation_keeps_letters_digits_and_breaks():
    assert all(b == a.upper() for a, b in changed("upper_case"))
    for a, b in changed("no_punctuation"):
        assert letters(a) == letters(b)
        assert not set(re.sub("<br />", "", b)) & set(".,;:!?'’“”()-—")
    assert changed("no_punctuation")[0][1].startswith("It wasnt a <br />GREAT film  the actors  voices")
    # Signs for vowels are no punctuation.
    assert BY_KEY["no_punctuation"].applied(HINDI, 0, ENGLISH) == HINDI.replace(",", " ").replace("।", " ")


def test_an_irrelevant_end_comes_after_the_whole_text():
    assert all(b == a + IRRELEVANT for a, b in changed("irrelevant_end"))


def test_american_spelling_changes_the_words_of_its_list_alone():
    british = "Colour, COLOURFUL and favourite: the Theatre organised a marvellous, travelling programme in grey."
    assert american(british) == (
        "Color, COLORFUL and favorite: the Theater organized a marvelous, traveling program in gray."
    )
    stays = "Our four-hour tour: your wise exercise in compromise, glamour, surprise. I'll pour, contour, tell."
    assert american(stays) == stays
    assert not SPELLINGS.keys() & SPELLINGS.values()


def test_texts_without_spaces_are_changed_letter_by_letter():
    for text in (CHINESE, THAI, JAPANESE):
        assert Script.of([text]) == UNSPACED
    assert BY_KEY["typos_30"].applied(CHINESE, 0, UNSPACED) != CHINESE
    many = CHINESE * 50
    for key, share in (("typos_10", 0.1), ("dropped_20", 0.2)):
        shorter = BY_KEY[key].applied(many, 0, UNSPACED)
        gone = 1 - len(letters(shorter)) / len(letters(many))
        # A typo drops a letter as often as it doubles one.
        assert gone == pytest.approx(share if key == "dropped_20" else 0, abs=0.02)
        assert re.sub(r"\w", "", shorter) == re.sub(r"\w", "", many)
    assert BY_KEY["no_punctuation"].applied(CHINESE, 0, UNSPACED) == re.sub("[，。！]", " ", CHINESE)
    chosen, reasons = applying(UNSPACED)
    assert [one.key for one in chosen] == ["typos_10", "typos_30", "dropped_20", "no_punctuation"]
    assert reasons["upper_case"] == "no meaning in a script without spaces between words"


def test_what_is_for_english_is_for_english_alone():
    assert Script.of(TEXTS) == ENGLISH
    for text in (
        GERMAN,
        HINDI,
        "이 영화는 정말 재미있었어요. 다시 보고 싶습니다.",
        "De film was heel goed en de zaal zat vol.",
    ):
        script = Script.of([text])
        assert script == Script(is_unspaced=False, is_english=False)
        chosen, reasons = applying(script)
        assert reasons.keys() == {"american", "irrelevant_end"}
        assert {one.key for one in chosen} | reasons.keys() == NAMES.keys()


def test_pairs_are_of_both_labels_and_no_sentence_is_there_twice():
    assert len(PAIRS) == len(IS_POSITIVE) >= 30
    assert sum(IS_POSITIVE) * 2 == len(PAIRS)
    sentences = [sentence for pair in PAIRS for sentence in pair]
    assert len(sentences) == len({*sentences})


def test_the_classes_that_are_positive_and_negative_are_known_by_their_names_alone():
    assert signs(["negative", "positive"]) == {"negative": False, "positive": True}
    assert signs(["Pos", "NEG"]) == {"Pos": True, "NEG": False}
    assert signs(["0", "1"]) is None
    assert signs(["negative", "neutral", "positive"]) is None
    assert signs(["positive", "pos"]) is None
