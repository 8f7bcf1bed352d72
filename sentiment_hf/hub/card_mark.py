"""The mark of a card that was pushed: a comment with the hash of the text above it, to know an edited card."""

import hashlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi
from huggingface_hub.errors import RemoteEntryNotFoundError

from sentiment_hf.common.layout import CARD

MARK = re.compile(r"\n<!-- pushed by sentiment-hf; sha256 of the text above: (?P<digest>[0-9a-f]{64}) -->\s*\Z")

# What the Hub itself makes of the license that is chosen with a new repository.
HEAD_ALONE = re.compile(r"\A---\n.*?\n---\s*\Z", re.DOTALL)


def marked(card: str) -> str:
    """The card with its mark at the end, where Markdown does not show it."""
    return f"{card.rstrip()}\n\n<!-- pushed by sentiment-hf; sha256 of the text above: {digest_of(card)} -->\n"


def digest_of(text: str) -> str:
    """SHA-256 of a text, whose line ends and last blank lines have no say: an editor in a browser changes them."""
    return hashlib.sha256("\n".join(text.rstrip().splitlines()).encode()).hexdigest()


def is_edited(card: str) -> bool:
    """Whether a card holds words that no push wrote; a card from before there were marks counts as edited."""
    mark = MARK.search(card)
    if mark is None:
        return bool(card.strip()) and not HEAD_ALONE.match(card)
    return digest_of(card[: mark.start()]) != mark["digest"]


def edited_on_hub(api: HfApi, repo_id: str, revision: str) -> bool:
    """Whether the card of a repository at a commit is an edited one; False without a card."""
    # Not in the cache, which need not be writable.
    with TemporaryDirectory() as home:
        try:
            file = api.hf_hub_download(repo_id, CARD, revision=revision, local_dir=home)
        except RemoteEntryNotFoundError:
            return False
        return is_edited(Path(file).read_text(encoding="utf-8", errors="replace"))
