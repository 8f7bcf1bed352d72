"""What a client sends and gets: JSON, of which the page of the service shows the types."""

import msgspec

from sentiment_hf.common.characters import SURROGATE

# Of a text, in characters; longer ones are cut by the model anyway, and to tokenize them holds up the others.
LONGEST_TEXT = 100_000

# Of a request; more are better sent in several requests, which workers share.
MOST_TEXTS = 256

# Of the body of a request.
MOST_BYTES = 10 * 2**20


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One text, or several."""

    text: str | None = None
    texts: list[str] | None = None


class Answer(msgspec.Struct, omit_defaults=True):
    """What the model says of a text; which fields there are depends on its task.

    label, score: the class with the highest probability, and that.
    labels: those that reach their thresholds.
    scores: the probability of each label.
    value: the number of a regression. expected_value: of classes that are numbers in an order.
    set, abstained: with --abstain the classes of which one is right with that certainty, and whether they are not
        exactly one. low, high: the interval of a regression.
    """

    label: str | None = None
    score: float | None = None
    labels: list[str] | None = None
    scores: dict[str, float] | None = None
    value: float | None = None
    expected_value: float | None = None
    set: list[str] | None = None
    abstained: bool | None = None
    low: float | None = None
    high: float | None = None


decoder = msgspec.json.Decoder(Request)


def texts_in(body: bytes) -> tuple[list[str], bool]:
    """(the texts of a request, whether it is one); raises ValueError, which says what is wrong, without the text."""
    try:
        request = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    if (request.text is None) == (request.texts is None):
        raise ValueError('expected {"text": "..."} or {"texts": ["...", "..."]}')
    texts = [request.text] if request.texts is None else request.texts
    if not 0 < len(texts) <= MOST_TEXTS:
        raise ValueError(f"expected 1 to {MOST_TEXTS} texts, found {len(texts)}")
    for number, text in enumerate(texts, 1):
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"text {number} has {len(text):,} characters, expected at most {LONGEST_TEXT:,}")
        if SURROGATE.search(text):
            raise ValueError(f"text {number} has half of a surrogate pair, which is no character")
    return texts, request.texts is None
