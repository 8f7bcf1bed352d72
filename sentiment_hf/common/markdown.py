"""Text and tables in Markdown."""

import html
import re
from collections.abc import Iterable, Sequence


def escape_markdown(text: str) -> str:
    """Escape Markdown and HTML in `text` and put it on one line, so that it is shown literally."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def markdown_row(*cells: object) -> str:
    """One line of a Markdown table; `cells` are not escaped."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table, escaped. The first column is aligned left, all others are aligned right."""
    rule = markdown_row("---", *["---:"] * (len(header) - 1))
    return [
        markdown_row(*map(escape_markdown, header)),
        rule,
        *(markdown_row(*map(escape_markdown, cells)) for cells in lines),
    ]
