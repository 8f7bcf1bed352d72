"""Personal data with a pattern are found, and what only looks like them is not; nothing is asked of the network."""

import socket
import sys

import pytest

from sentiment_hf.common import redaction
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.redaction import SIGNS, counts_in_words, findings, recognizers, redacted

# What is to go, in its text, and the placeholder that takes its place.
FOUND = {
    "EMAIL": ["john.smith@example.com", "a.b+c@sub.example.co.uk", "MAX@EXAMPLE.ORG", "anna_müller@example.de"],
    "PHONE": ["555-867-5309", "(212) 555-0187", "+1 212-555-0187", "212.555.0187", "2125550187", "0171/1234567"],
    "CARD": ["4111 1111 1111 1111", "4111111111111111", "5500-0000-0000-0004", "378282246310005"],
    "IBAN": ["DE89 3704 0044 0532 0130 00", "DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19"],
    "IP": ["192.168.1.17", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "fe80::1ff:fe23:4567:890a", "2001:db8::1"],
    "URL": [
        "https://www.example.com/a?b=c",
        "www.example.net/page",
        "ftp://files.example.com/x",
        "example.com/path/x",
    ],
}
FOUND["PHONE"] += ["+44 20 7946 0958", "+49 171 1234567", "030 901820", "+33 1 42 68 53 00"]

# Ratings, years, prices, dates, scores, numbers that no checksum fits, and sentences without a blank between them.
KEPT = """
10/10 | 8/10 stars | in 1999-2004 | the 1939-1945 war | $19.99 | 1,299.00 EUR | 12/24/2003 | 24.12.2003 | 2003-12-24
version 3.14.159 | 3-2 | 1234 5678 9012 3456 | 4111 1111 1111 1112 | 2001: A Space Odyssey | ISBN 978-3-16-148410-0
7:30-9:45 | 1920x1080 | DE12 3456 | Great film...And then | good.It was bad | 500 000 000 people | tt0111161
1 2 3 4 5 6 7 8 9 10 11 12 | 10:15:20 | 1,000,000,000 | :: | @user | John Smith lives in Berlin | and/or | e.g.this
"""
KEPT = [text.strip() for line in KEPT.strip().splitlines() for text in line.split("|")]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_what_is_found_becomes_a_placeholder(kind, text):
    said, counts = redacted(f"Write to {text} today.")
    assert said == f"Write to [{kind}] today."
    assert counts == {kind: 1}


@pytest.mark.parametrize("text", KEPT)
def test_what_looks_like_it_stays(text):
    assert redacted(f"I said {text} before") == (f"I said {text} before", {})


def test_a_placeholder_is_nothing_to_replace():
    text = " and ".join(text for texts in FOUND.values() for text in texts)
    once, counts = redacted(text)
    assert redacted(once) == (once, {})
    assert counts == {kind: len(texts) for kind, texts in FOUND.items()}


def test_what_overlaps_is_one_finding_of_the_longest():
    assert redacted("at https://example.com/?mail=john@example.com now")[0] == "at [URL] now"


def test_the_signs_are_necessary(monkeypatch):
    texts = [text for texts in FOUND.values() for text in texts] + KEPT
    quick = list(map(findings, texts))
    every = dict.fromkeys(SIGNS, redaction.re.compile(""))
    monkeypatch.setattr(redaction, "SIGNS", every)
    assert list(map(findings, texts)) == quick


def test_the_network_is_not_asked(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    recognizers.cache_clear()
    for texts in FOUND.values():
        assert redacted(texts[0])[1]


def test_the_missing_package_is_named(monkeypatch):
    recognizers.cache_clear()
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(InputError, match=r"pip install 'sentiment-hf\[pii\]'"):
        recognizers()


def test_counts_are_said():
    assert counts_in_words({"PHONE": 1, "EMAIL": 2000}) == "2,000 EMAIL, 1 PHONE"
    assert counts_in_words({}) == "nothing"
