"""docs/architecture.md agrees with the sources: its files exist, its packages are those of the contract."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEFORE, TREE, AFTER = re.split(
    r"^## The tree\n+```\n|\n```\n(?=\nTo read)", (ROOT / "docs" / "architecture.md").read_text(), flags=re.M
)
PAGE = BEFORE + AFTER
SOURCES = sorted((ROOT / "sentiment_hf").rglob("*.py"))


def test_every_file_that_the_page_names_exists():
    named = set(re.findall(r"[\w./]*\w+\.(?:py|toml)", PAGE)) | set(re.findall(r"`((?:\w+/)+)`", PAGE))
    homes = [ROOT, ROOT / "sentiment_hf", ROOT / "sentiment_hf" / "settings"]
    assert len(named) > 20
    assert [name for name in named if not any((home / name).exists() for home in homes)] == []


def test_every_file_of_the_tree_exists():
    named = re.findall(r"[\w.]+/|\w+\.py", TREE)
    found = {path.name for path in ROOT.rglob("*.py")} | {f"{path.name}/" for path in ROOT.rglob("*") if path.is_dir()}
    assert len(named) > 20
    assert set(named) <= found


def test_the_packages_of_the_page_are_those_of_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (one["layers"] for one in contracts if one.get("containers") == ["sentiment_hf"])
    block = PAGE.split("```")[1]
    shown = [line.split("  ")[0] for line in block.strip().splitlines()]
    assert shown == [layer for layer in layers if layer != "__main__"] + ["custom_models"]


def test_no_function_asks_a_name_what_it_is():
    """What a model is stands in its `ModelRef`; the file that makes it is the only one that looks at names."""
    asks = re.compile(r"\bis_(fresh|adapter|baseline|saved_\w+|local)\(|\bbase_of\(|startswith\(\"(custom|baseline)-")
    places = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if asks.search(line)
    ]
    assert SOURCES
    assert {place.split(":")[0] for place in places} <= {"sentiment_hf/settings/model_ref.py"}, places
