"""Block U: texts, classes and names that are markup or formulas, in what people open."""

import csv
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

from helpers import reviews, write_csv
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from faults.fault import SURVIVED, Fault
from faults.ground import Ground
from faults.programs import files
from faults.shot import shoot
from sentiment_hf.cli import compare_command, predict_command

EVIL = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
FORMULAS = ["=HYPERLINK(1)", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", 'a film, "quoted"\nin two lines']


class Active(HTMLParser):
    """Counts what could run."""

    def __init__(self):
        super().__init__()
        self.found = 0

    def handle_starttag(self, tag, attrs):
        self.found += tag in ("script", "img", "iframe", "object") or any(name.startswith("on") for name, _ in attrs)


def active(html: str) -> int:
    """Elements and attributes that could run."""
    parser = Active()
    parser.feed(html)
    return parser.found


def trained(
    ground: Ground, home: Path, text: str = "", label: str = "positive", name: str = "run", data: str = "data"
) -> Path:
    """A run with this at the end of each text, as a class, as the name of its folder, and of the file of its data."""
    rows = [(f"{words} {text}", label if kind == "positive" else kind) for words, kind in reviews(48, seed=5)]
    for part in ("train", "validation", "test"):
        write_csv(home / "data" / f"{part}.csv", rows)
    write_csv(home / "data" / f"{data}.csv", rows)
    argv = ground.program.argv(home / "data", home / name)
    argv[argv.index("--train_file") + 1] = str(home / "data" / f"{data}.csv")
    ended = shoot(ground.program.main, argv, home / "log")
    assert ended.code == 0, ended.stderr
    return home / name


def in_comparison(evil: dict, page: str, ground: Ground, home: Path) -> list[str]:
    """A page of the comparison of such a run."""
    folder = trained(ground, home, **evil)
    ended = shoot(
        compare_command, [str(folder), *files(home / "data"), "--output_dir", str(home / "page")], home / "compare.log"
    )
    if ended.code != 0:
        return [f"exit code {ended.code}: {ended.stderr.strip().splitlines()[-1][:80]}"]
    shown = (home / "page" / "comparison" / page).read_text(encoding="utf-8")
    # Markdown is HTML where it is shown, but for what stands behind a backslash or as an entity.
    return [SURVIVED if active(shown.replace("\\<", "&lt;")) == 0 else "WRONG: markup"]


def in_card(evil: dict, ground: Ground, home: Path) -> list[str]:
    """The model card, whose body is Markdown."""
    card = (trained(ground, home, **evil) / "README.md").read_text(encoding="utf-8")
    body = REGEX_YAML_BLOCK.sub("", card, count=1).replace("\\<", "&lt;")
    return [SURVIVED if active(body) == 0 else "WRONG: markup"]


def in_predictions(flags: list[str], ground: Ground, home: Path) -> list[str]:
    """Texts that are formulas, through predict to a csv file: none begins as one; with --csv_raw all are as before."""
    folder = trained(ground, home)
    write_csv(home / "in.csv", [(text,) for text in FORMULAS], header=("text",))
    argv = [str(folder), "--file", str(home / "in.csv"), "--output", str(home / "out.csv"), *flags]
    ended = shoot(predict_command, argv, home / "predict.log")
    if ended.code != 0:
        return [f"exit code {ended.code}"]
    with (home / "out.csv").open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    if flags:
        return [SURVIVED if texts == FORMULAS else "WRONG: other texts"]
    return ["WRONG: a formula" if any(text[0] in "=+-@\t" for text in texts) else SURVIVED]


NAME = EVIL.replace("/", "_")
CHECKS = {
    "text with a script, report.html": partial(in_comparison, {"text": EVIL}, "report.html"),
    "class with a script, report.html": partial(in_comparison, {"label": EVIL}, "report.html"),
    "run called as a script, report.html": partial(in_comparison, {"name": NAME}, "report.html"),
    "class and text with a script, report.md": partial(in_comparison, {"label": EVIL, "text": EVIL}, "report.md"),
    "class with a script, model card": partial(in_card, {"label": EVIL}),
    "data set called as a script, model card": partial(in_card, {"data": NAME}),
    "texts that are formulas, predictions": partial(in_predictions, []),
    "the same with --csv_raw, word for word": partial(in_predictions, ["--csv_raw"]),
}

FAULTS = [
    Fault(f"U{number:02}", what, SURVIVED, check, plain=False)
    for number, (what, check) in enumerate(CHECKS.items(), 1)
]
