"""Names of classes: the one spelling that each of them has, and names that look like one another."""

import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from sentiment_hf.common.errors import InputError

logger = logging.getLogger(__name__)

NUMBER = re.compile(r"([+-]?\d+)(?:\.(\d*))?")
# Letters of other alphabets that look like Latin ones, and the zero width of variation selectors and joiners.
LOOKS_LIKE = str.maketrans("аеорсухкмтвніјѕαορτυνκι", "aeopcyxkmtbhijsaoptuvki")


def canonical(name: str) -> str:
    """The name in the Unicode form NFC, without blanks around it; a number without zeros at its end: "1" for "1.0"."""
    name = unicodedata.normalize("NFC", name.strip())
    number = NUMBER.fullmatch(name)
    if number is None:
        return name
    whole, fraction = number.groups()
    fraction = (fraction or "").rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def is_number(name: str) -> bool:
    """Whether a canonical name is a number in decimal digits."""
    return NUMBER.fullmatch(name) is not None and name.isascii()


def sorted_names(names: Iterable[str]) -> list[str]:
    """The names sorted: by value if all of them are numbers, else alphabetically."""
    names = list(names)
    numbers = all(map(is_number, names))
    return sorted(names, key=lambda name: (float(name), name) if numbers else (0.0, name))


def look(name: str) -> str:
    """The name as an eye sees it: without case, blanks and invisible characters; "+01" and "1" are one number."""
    seen = unicodedata.normalize("NFKC", name).casefold().translate(LOOKS_LIKE)
    seen = "".join(char for char in seen if unicodedata.category(char)[0] not in "CZ" and not is_selector(char))
    return f"{float(seen):g}" if is_number(seen) else seen


def is_selector(char: str) -> bool:
    """Whether the character chooses between the forms of the one before it, as behind an emoji."""
    return "\ufe00" <= char <= "\ufe0f"


def look_alikes(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of names that differ by case, blanks, invisible characters or alphabet only."""
    first: dict[str, str] = {}
    for name in names:
        if (known := first.setdefault(look(name), name)) != name:
            yield known, name


@cache
def say_look_alikes(names: tuple[str, ...], where: str) -> None:
    """Warn of the `look_alikes`, once."""
    for a, b in look_alikes(names):
        logger.warning(
            "The classes %a and %a in %s look alike and are two classes; --label_map gives two labels of the data one "
            "name.",
            a,
            b,
            where,
        )


def shown(names: Sequence[str], most: int = 20) -> str:
    """The names; of more than `most`, the first five and how many more there are."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:5])} and {len(names) - 5} more"


def repeated(names: Iterable[str]) -> str | None:
    """The first name that occurs a second time."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def parse_label_map(value: str | None) -> dict[str, str]:
    """{canonical label: canonical name of its class} of "NEGATIVE=neg,POSITIVE=pos"; raises InputError."""
    mapped: dict[str, str] = {}
    for item in (value or "").split(",") if value is not None else ():
        label, equals, name = (canonical(part) for part in item.partition("="))
        if not (label and equals and name):
            raise InputError(f'--label_map: expected "LABEL=CLASS,LABEL=CLASS", found {item.strip()!r}')
        if mapped.setdefault(label, name) != name:
            raise InputError(f"--label_map gives the label {label!r} two classes, {mapped[label]!r} and {name!r}")
    return mapped
