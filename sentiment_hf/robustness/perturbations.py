"""How texts are changed: as people mistype, shout or ramble, so that what they say of a thing stays what it is.

As the invariance tests of CheckList (Ribeiro et al. 2020). `random` is of the row, so that every model reads the same.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, zip_longest
from random import Random
from unicodedata import category

from tokenizers import Regex, pre_tokenizers

from sentiment_hf.robustness.script import NOT_ENGLISH, Script
from sentiment_hf.robustness.spelling import american
from sentiment_hf.text.line_breaks import LINE_BREAK
from sentiment_hf.text.tokenizers import WORD

Change = Callable[[str, Random], str]

BREAKS = re.compile(LINE_BREAK)
LETTER = re.compile(r"[^\W\d_]")
INNER_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
VOWELS = frozenset("aeiouyáàâäãåæéèêëíìîïóòôöõøúùûüаеёиоуыэюяіїєαεηιουωάέήίόύώ")

# Of the writer, not of the thing, so that it speaks for no class.
IRRELEVANT = " I wrote this on a Tuesday, at my desk."


@dataclass(frozen=True)
class Perturbation:
    """A change of texts.

    key: its name in robustness.json; `NAMES` has that for a reader.
    change: of a text whose words stand between spaces.
    unspaced: of a text in a script without spaces; None if it has no meaning there.
    english: whether it is for English texts only.
    """

    key: str
    change: Change
    unspaced: Change | None = None
    english: bool = False

    def applied(self, text: str, row: int, script: Script) -> str:
        """The changed text; the same row gets the same one each time."""
        change = self.unspaced if script.is_unspaced else self.change
        return change(text, Random(f"{self.key} {row}"))

    def reason_against(self, script: Script) -> str | None:
        """Why texts in such a script are not changed so; None if they are."""
        if script.is_unspaced and self.unspaced is None:
            return "no meaning in a script without spaces between words"
        if self.english and not script.is_english:
            return NOT_ENGLISH
        return None


def on_words(change: Change, share: float) -> Change:
    """A change of this share of the words of a text; `<br />` is no word."""

    def changed(text: str, random: Random) -> str:
        pieces, end = [], 0
        for word, (start, stop) in splitter().pre_tokenize_str(text):
            is_chosen = not word.startswith("<") and random.random() < share
            pieces += [text[end:start], change(word, random) if is_chosen else word]
            end = stop
        return "".join([*pieces, text[end:]])

    return changed


@cache
def splitter() -> pre_tokenizers.PreTokenizer:
    """Finds words, as the tokenizer `word` does, and line breaks."""
    return pre_tokenizers.Split(Regex(rf"{LINE_BREAK}|{WORD}"), behavior="removed", invert=True)


def on_letters(change: Callable[[str, int, Random], str], share: float) -> Change:
    """A change of this share of the letters of a text; `change` gets the text and the place of a letter."""

    def changed(text: str, random: Random) -> str:
        places = [found.start() for found in LETTER.finditer(text) if random.random() < share]
        # The last one first: the places of those before it stay.
        for place in reversed(places):
            text = change(text, place, random)
        return text

    return changed


def typo_at(text: str, place: int, random: Random) -> str:
    """The text with a letter that changed places with the next one, is missing, or stands there twice."""
    before, letter, after = text[:place], text[place], text[place + 1 :]
    return random.choice((before + after[:1] + letter + after[1:], before + after, before + letter + text[place:]))


def typo(word: str, random: Random) -> str:
    """A word with a typo between its first and last letter; one of three letters or fewer stays as it is."""
    return typo_at(word, random.randrange(1, len(word) - 2), random) if len(word) > 3 else word


def elongated(word: str, random: Random) -> str:
    """A word with four times a vowel: goooood. One without a vowel ends so, and one of two letters stays as it is."""
    if len(word) < 3:
        return word
    vowels = [place for place, letter in enumerate(word) if letter.lower() in VOWELS]
    place = random.choice(vowels) if vowels else len(word) - 1
    return word[:place] + 4 * word[place] + word[place + 1 :]


def without_punctuation(text: str, _: Random) -> str:
    """A space for each punctuation mark, and nothing for an apostrophe in a word; `<br />` stays."""
    between = (spaces_for_marks(piece) for piece in BREAKS.split(text))
    return "".join(chain.from_iterable(zip_longest(between, BREAKS.findall(text), fillvalue="")))


def spaces_for_marks(text: str) -> str:
    """`without_punctuation` of a text without line breaks."""
    return "".join(" " if category(letter).startswith("P") else letter for letter in INNER_APOSTROPHE.sub("", text))


def gone(word: str, _: Random) -> str:
    """Nothing."""
    return ""


def gone_at(text: str, place: int, _: Random) -> str:
    """The text without a letter."""
    return text[:place] + text[place + 1 :]


# Keys and order are those of NAMES.
PERTURBATIONS = (
    Perturbation("typos_10", on_words(typo, 0.1), on_letters(typo_at, 0.1)),
    Perturbation("typos_30", on_words(typo, 0.3), on_letters(typo_at, 0.3)),
    Perturbation("dropped_20", on_words(gone, 0.2), on_letters(gone_at, 0.2)),
    Perturbation("elongated_10", on_words(elongated, 0.1)),
    Perturbation("upper_case", lambda text, _: text.upper()),
    Perturbation("no_punctuation", without_punctuation, without_punctuation),
    Perturbation("american", lambda text, _: american(text), english=True),
    Perturbation("irrelevant_end", lambda text, _: text + IRRELEVANT, english=True),
)


def applying(script: Script) -> tuple[Sequence[Perturbation], dict[str, str]]:
    """The perturbations for texts in such a script, and why each of the others is left out, by its key."""
    reasons = {one.key: reason for one in PERTURBATIONS if (reason := one.reason_against(script))}
    return [one for one in PERTURBATIONS if one.key not in reasons], reasons


def all_applied(one: Perturbation, texts: Iterable[str], rows: Iterable[int], script: Script) -> list[str]:
    """The changed texts of these rows."""
    return [one.applied(text, row, script) for text, row in zip(texts, rows, strict=True)]
