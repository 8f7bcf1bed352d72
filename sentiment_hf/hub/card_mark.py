"""The mark of a file that was pushed: a comment with the hash of the text above it, to know a file that was edited."""

import hashlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi
from huggingface_hub.errors import RemoteEntryNotFoundError

from sentiment_hf.common.layout import CARD

MARK = re.compile(r"\n(?:# )?<!-- pushed by sentiment-hf; sha256 of the text above: (?P<digest>[0-9a-f]{64}) -->\s*\Z")

# What the Hub itself makes of the license that is chosen with a new repository, and of a new Space.
HEAD_ALONE = re.compile(r"\A---\n.*?\n---\s*(?:Check out the configuration reference at \S+\s*)?\Z", re.DOTALL)


def marked(text: str, name: str = CARD) -> str:
    """The text of a file with its mark at the end, where Markdown does not show it and programs do not read it."""
    comment = "" if name.endswith(".md") else "# "
    mark = f"{comment}<!-- pushed by sentiment-hf; sha256 of the text above: {digest_of(text)} -->"
    return f"{text.rstrip()}\n\n{mark}\n"


def digest_of(text: str) -> str:
    """SHA-256 of a text, whose line ends and last blank lines have no say: an editor in a browser changes them."""
    return hashlib.sha256("\n".join(text.rstrip().splitlines()).encode()).hexdigest()


def is_edited(text: str) -> bool:
    """Whether a file holds words that no push wrote; one from before there were marks counts as edited."""
    mark = MARK.search(text)
    if mark is None:
        return bool(text.strip()) and not HEAD_ALONE.match(text)
    return digest_of(text[: mark.start()]) != mark["digest"]


def edited_on_hub(api: HfApi, repo_id: str, revision: str, name: str = CARD, repo_type: str = "model") -> bool:
    """Whether a file of a repository at a commit is an edited one; False without the file."""
    # Not in the cache, which need not be writable.
    with TemporaryDirectory() as home:
        try:
            file = api.hf_hub_download(repo_id, name, repo_type=repo_type, revision=revision, local_dir=home)
        except RemoteEntryNotFoundError:
            return False
        return is_edited(Path(file).read_text(encoding="utf-8", errors="replace"))
