"""Refuse to publish a version that the package, the citation or the changelog does not have: check_release.py 0.2.0"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from sentiment_hf import __version__
from sentiment_hf.cli import exit_code_of
from sentiment_hf.common.errors import InputError

ROOT = Path(__file__).parents[1]


def main(argv: Sequence[str]) -> None:
    """Raise InputError unless the package, CITATION.cff and CHANGELOG.md have this version."""
    if len(argv) != 1:
        raise InputError("expected the version to publish, as in 0.2.0")
    (version,) = argv
    cited = str(yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"])
    for where, found in {"sentiment_hf/__init__.py": __version__, "CITATION.cff": cited}.items():
        if found != version:
            raise InputError(f"{where} has version {found} and not {version}")
    require_section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)


def require_section(changelog: str, version: str) -> None:
    """Raise InputError unless the changelog has something to say on the version, and nothing is left unreleased."""
    sections = dict(re.findall(r"^## (\S+)$(.*?)(?=^## |\Z)", changelog, re.M | re.S))
    if not sections.get(version, "").strip():
        raise InputError(f"CHANGELOG.md has no section {version}: rename Unreleased")
    if sections.get("Unreleased", "").strip():
        raise InputError(f"CHANGELOG.md has lines under Unreleased, which belong under {version}")


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: main(sys.argv[1:])))
