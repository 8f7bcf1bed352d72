"""Personal data with a pattern become placeholders (--redact): [EMAIL], [PHONE] and the like. Names have no pattern.

The patterns and checksums are those of presidio, without its engine, which wants a language model. Nothing is asked of
the network.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sentiment_hf.common.errors import extra_explained

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer

# The kinds, as placeholders and reports name them.
KINDS = ("EMAIL", "URL", "CARD", "IBAN", "IP", "PHONE")

# With a scheme, or www, or a path. The pattern of presidio takes every word with a point before the next one for a
# URL: it finds some in one of nine reviews of IMDB.
URL = (
    r"(?i)\b(?:(?:https?|ftp)://|www\d?\.|(?:[a-z0-9-]+\.)+[a-z]{2,6}/(?=\w))"
    r"[^\s<>\"']*[^\s<>\"'.,;:!?)\]]"
)

# What stands in every text with a finding of a kind. Other texts are spared the search, which takes 25 times as long.
SIGNS = {
    "EMAIL": re.compile("@"),
    "URL": re.compile(r"(?i)://|www|\w\.\w+/"),
    "CARD": re.compile(r"(?:\d[ -]?){12}"),
    "IBAN": re.compile(r"[A-Z]{2}[ -]?\d\d"),
    "IP": re.compile(r"\d\.\d{1,3}\.\d|:[0-9A-Fa-f]{0,4}:"),
    "PHONE": re.compile(r"(?:\d\D{0,4}){6}"),
}

# Below it is what presidio itself doubts, such as a lone "::" as an address.
LEAST_SURE = 0.3

NAMES_LEFT = "names are not found"


@dataclass(frozen=True)
class Finding:
    """A place in a text: the first character, the one behind the last, and its kind."""

    start: int
    end: int
    kind: str


@cache
def recognizers() -> dict[str, "EntityRecognizer"]:
    """{kind: what finds it}; raises InputError if presidio is not installed."""
    with extra_explained("pii"):
        from presidio_analyzer import Pattern, PatternRecognizer
        from presidio_analyzer.predefined_recognizers import (
            CreditCardRecognizer,
            EmailRecognizer,
            IbanRecognizer,
            IpRecognizer,
            PhoneRecognizer,
        )
    return {
        # Not the recognizer itself, which asks the network for a list of domains.
        "EMAIL": PatternRecognizer("EMAIL", patterns=EmailRecognizer.PATTERNS),
        "URL": PatternRecognizer("URL", patterns=[Pattern("URL", URL, 0.5)]),
        "CARD": CreditCardRecognizer(),
        "IBAN": IbanRecognizer(),
        "IP": IpRecognizer(),
        "PHONE": PhoneRecognizer(),
    }


def findings(text: str) -> list[Finding]:
    """What is found in a text, in its order. Findings that overlap are one, of the kind of the longest of them."""
    found: list[Finding] = []
    for one in sorted(all_findings(text), key=lambda one: (one.start, -one.end)):
        if found and one.start < found[-1].end:
            last = found.pop()
            longest = max(last, one, key=lambda each: each.end - each.start)
            one = Finding(last.start, max(last.end, one.end), longest.kind)
        found.append(one)
    return found


def all_findings(text: str) -> Iterator[Finding]:
    """Yield what each recognizer finds."""
    for kind, sign in SIGNS.items():
        if sign.search(text):
            recognizer = recognizers()[kind]
            for one in recognizer.analyze(text, recognizer.supported_entities, None):
                if one.score >= LEAST_SURE:
                    yield Finding(one.start, one.end, kind)


def redacted(text: str) -> tuple[str, Counter[str]]:
    """(the text with a placeholder in place of each finding, how many there are of each kind)."""
    pieces, end, found = [], 0, findings(text)
    for one in found:
        pieces += [text[end : one.start], f"[{one.kind}]"]
        end = one.end
    return "".join([*pieces, text[end:]]), Counter(one.kind for one in found)


def redacted_texts(texts: Iterable[str]) -> tuple[list[str], Counter[str]]:
    """As `redacted`, of several texts."""
    found, counts = [], Counter()
    for text in texts:
        text, of_text = redacted(text)
        found.append(text)
        counts += of_text
    return found, counts


def counts_in_words(counts: dict[str, int]) -> str:
    """What was replaced, as in 2 EMAIL, 1 PHONE."""
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if counts.get(kind)) or "nothing"
