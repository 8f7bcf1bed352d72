"""docs/performance.md, made of the figures in docs/performance.json."""

from pathlib import Path
from typing import Any

from benchmarks.bench.figures import ratios, spread
from benchmarks.bench.pictures import draw

TITLE = """# Performance

Made by `make bench` and `make bench-rows` from [the figures of every round](performance.json). What is compared took
turns on one machine, way by way, round by round. A figure is the median of the rounds, with the least and the most in
brackets. "Ours is" is the median of the ratios within a round: above 1 this program is better.
"""

# By measurement: heading, and what was done.
ABOUT = {
    "training": (
        "Training",
        """The trainer of this program by the recipe of each model; padding does not count as tokens. Operations are
those of the matrix products in forward and backward, a multiplication and an addition being two; with LoRA the frozen
weights have no gradient. Shares are of the faster torch.mm in fp32, MKL on x86, and of the fastest product in fp32,
which may be one of oneDNN. A model whose work is in look-ups, sums and sorting, such as `custom-ngram` and
`custom-fc`, has few of them. The Keras LSTM has the sizes of `configs/keras-lstm.yaml` and reads padding as text.""",
    ),
    "time_to_accuracy": (
        "Time to a tested model",
        """Whole processes, from their start to the accuracy on test. This program also validates, writes checkpoints
and a model card; it trains on nine tenths of train, the peers on all of it. The recipes for an accuracy,
`configs/ngram-88.yaml` and so on, were chosen on validation.""",
    ),
    "inference": (
        "Inference",
        """Unlabelled texts in a csv file become a csv file with classes. `predict` is the command of this program,
`pipeline` that of transformers, at the same limit of tokens; a largest difference is that of two probabilities of a
text. Without the start, seconds begin when model and texts are loaded, and end before the csv file is written. One
core is one thread that is bound to it.""",
    ),
    "finetuning": (
        "Fine-tuning",
        """MiniLM, all weights, fp32, 16 texts at a time. The peer is `Trainer` with the settings of the example
run_classification.py of transformers, which pads every text to the limit.""",
    ),
    "start": (
        "Second start",
        """Whole processes, from their start to the first step on all of train, when the same data was trained on
before. The peer is a script of twenty lines that reads the files by `datasets`, tokenizes by `map` and hands both to
`Trainer`. This program also splits, counts duplicates and hashes the data.""",
    ),
    "stations": (
        "Where the time of a run goes",
        """`run --profile` by the recipe, with an empty cache. A station in another one counts for itself alone.""",
    ),
    "growth": (
        "Growth",
        """`run --model custom-fc` for a fixed number of epochs on made-up texts, whole processes. Memory is the
largest anonymous memory of all processes together, with that of the imports.""",
    ),
    "rows": (
        "Many rows",
        """Made-up texts of about 200 characters in ten parquet files or in one csv file, one epoch in batches of 1024,
and `predict` over as many in one file. Memory is that above the bare imports: the largest anonymous and shared memory
of all processes together. A further row is one of those beyond the first tenth.""",
    ),
}


def write_page(record: dict[str, Any], folder: Path) -> None:
    """Write performance.md and its pictures into `folder`."""
    pictures = {name: draw(found.get("curves", []), folder / "pictures", name) for name, found in record.items()}
    (folder / "performance.md").write_text(page_of(record, pictures), encoding="utf-8")


def page_of(record: dict[str, Any], pictures: dict[str, list[str]]) -> str:
    """The page in Markdown. `record`: {measurement: its figures}; `pictures`: {measurement: files}."""
    sections = [TITLE]
    for name in (name for name in ABOUT if name in record):
        heading, about = ABOUT[name]
        sections.append(f"## {heading}\n\n{about}\n\n{made_on(record[name])}\n")
        sections += [f"### {one['title']}\n\n{rows_of(one)}\n" for one in record[name]["tables"]]
        sections += [f"![{heading}](pictures/{file})\n" for file in pictures.get(name, [])]
    return "\n".join(sections)


def made_on(found: dict[str, Any]) -> str:
    """When and on what the figures were measured."""
    about = found["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items() if number != "none")
    sets = ", ".join(about["instruction_sets"]) or "none of those that matter"
    quick = " with `--quick`, fewer rows and rounds" if found["quick"] else ""
    memory = f"{about['memory_bytes'] / 2**30:.0f} GiB"
    return (
        f"Measured on {about['date'][:10]}{quick} in {found['minutes']:.0f} minutes on {about['processor']}, "
        f"cores: {about['cores']}, memory: {memory}, load before: {about['load']:.1f}, instruction sets: {sets}; "
        f"{versions}."
    )


def rows_of(table: dict[str, Any]) -> str:
    """A table in Markdown: a row for each way, with its spread, its facts, and how ours compares."""
    columns = list(dict.fromkeys(column for facts in table["facts"].values() for column in facts))
    head = ["", table["unit"], *columns, *(["ours is"] if table["ours"] else [])]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for way, values in table["runs"].items():
        facts = table["facts"].get(way, {})
        cells = [way, with_spread(values), *(shown(facts.get(column, "")) for column in columns)]
        lines.append(cells + ([compared(table, way)] if table["ours"] else []))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def compared(table: dict[str, Any], way: str) -> str:
    """How many times as good ours is."""
    if way == table["ours"]:
        return ""
    of_rounds = ratios(table, way)
    middle, least, most = (f"{number:.2f}" for number in spread(of_rounds))
    return f"{middle} times as fast" + (f" ({least} to {most})" if len(of_rounds) > 1 else "")


def with_spread(values: list[float]) -> str:
    """Median, and least to most if there are several."""
    middle, least, most = map(shown, spread(values))
    return middle if len(values) == 1 else f"{middle} ({least} to {most})"


def shown(value: float | str) -> str:
    """A number with three significant digits, or with all that are left of the point; a text as it is."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
