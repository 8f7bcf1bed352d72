"""Pairs of sentences in which a negation turns the label around, in reviews as those of the sample, most of films."""

from collections.abc import Sequence

# The names of the classes that are known to mean such labels.
POSITIVE = frozenset({"positive", "pos"})
NEGATIVE = frozenset({"negative", "neg"})

PAIRS = (
    # A positive text, and its negation.
    ("This is a good film.", "This is not a good film."),
    ("I enjoyed every scene.", "I didn't enjoy a single scene."),
    ("The acting is convincing.", "The acting is never convincing."),
    ("I would watch it again.", "I would not watch it again."),
    ("The story makes sense.", "The story makes no sense."),
    ("It is worth the price of a ticket.", "It isn't worth the price of a ticket."),
    ("The jokes are funny.", "The jokes are not funny."),
    ("I can recommend this film to anyone.", "I can't recommend this film to anyone."),
    ("The ending is satisfying.", "The ending is far from satisfying."),
    ("The director knows what he is doing.", "The director does not know what he is doing."),
    ("The songs were memorable.", "None of the songs were memorable."),
    ("Their performances are believable.", "Their performances are hardly believable."),
    ("The dinner was tasty.", "The dinner was not tasty."),
    ("The staff were friendly and helpful.", "The staff were neither friendly nor helpful."),
    ("The headphones work well.", "The headphones don't work well."),
    ("We were happy with our room.", "We were not happy with our room."),
    # A negative text, and its negation.
    ("This is a bad film.", "This is not a bad film."),
    ("I was bored.", "I was never bored."),
    ("The plot is predictable.", "The plot is never predictable."),
    ("It was a waste of time.", "It was not a waste of time."),
    ("The film disappoints.", "The film does not disappoint."),
    ("The actors are wooden.", "The actors are anything but wooden."),
    ("The dialogue feels fake.", "The dialogue never feels fake."),
    ("I regret watching it.", "I don't regret watching it."),
    ("It gets tedious.", "It doesn't get tedious for a moment."),
    ("The effects look cheap.", "The effects don't look cheap at all."),
    ("The script is full of cliches.", "The script is without any cliches."),
    ("The film fails.", "The film never fails."),
    ("The soup was bland.", "The soup was not bland."),
    ("The waiter was rude to us.", "The waiter was never rude to us."),
    ("I had problems with this phone.", "I had no problems with this phone."),
    ("You will be annoyed by the noise.", "You won't be annoyed by the noise."),
)
# Whether the first text of a pair is positive.
IS_POSITIVE = (True,) * 16 + (False,) * 16


def signs(labels: Sequence[str]) -> dict[str, bool] | None:
    """{name of a class: whether it is positive} of the two classes; None if their names do not say so."""
    found = {label: label.strip().lower() in POSITIVE for label in labels if is_known(label)}
    return found if len(labels) == 2 and sorted(found.values()) == [False, True] else None


def is_known(label: str) -> bool:
    """Whether the name of a class is one for positive or negative texts."""
    return label.strip().lower() in POSITIVE | NEGATIVE
