"""The files of a comparison: report.html and report.md for readers, results.csv and results.json for programs."""

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sentiment_hf.common.class_names import shown
from sentiment_hf.common.errors import extra_explained
from sentiment_hf.common.files import write_json, write_text
from sentiment_hf.common.layout import PAGE_CSV, PAGE_HTML, PAGE_JSON, PAGE_MARKDOWN
from sentiment_hf.common.markdown import escape_markdown
from sentiment_hf.common.spreadsheet import escape_formula
from sentiment_hf.comparison.page import formatting
from sentiment_hf.comparison.plan.grid import as_word
from sentiment_hf.comparison.statistics.ranking import TRAINED, second_name
from sentiment_hf.robustness.names import NAMES, by_reason
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.saved import task_named
from sentiment_hf.tasks.single_label import SingleLabel, by_support, worst_pairs
from sentiment_hf.tasks.task import Score, Task

TEMPLATES = Path(__file__).parent / "templates"

# Columns of a matrix of pairs that fit on the width of a printed page.
ABREAST = 12

SIZES = ("parameters", "trained_parameters", "bytes_on_disk")
TRAINING = ("train_minutes", "train_tokens_per_second", "peak_memory_bytes")
INFERENCE = ("texts_per_second_one_core", "texts_per_second_all_cores", "latency_p50_ms", "latency_p95_ms")

FILTERS = (
    formatting.percent,
    formatting.decimals,
    formatting.amount,
    formatting.count,
    formatting.signed_points,
    formatting.signed,
    formatting.headed,
    formatting.significant,
    formatting.p_value,
    formatting.excerpt,
    formatting.marked,
    formatting.megabytes,
    formatting.with_interval,
    formatting.with_change,
    formatting.breaks_on,
    formatting.plural,
    formatting.models_by_class,
    as_word,
    by_reason,
    by_support,
    worst_pairs,
)

TUNINGS = {
    "scratch": "from scratch",
    "full": "pretrained, all weights",
    "lora": "pretrained, LoRA",
    "head": "pretrained, head only",
    "none": "not trained",
    "baseline": "baseline",
    "ensemble": "ensemble",
}


def write_page(comparison: dict, folder: Path, texts: bool) -> None:
    """Write the four files of a comparison, each whole or not at all; results.json is `comparison` itself.

    Without `texts` no file holds a text of the data set; test rows are named by their numbers.

    Raises:
        InputError: matplotlib or Jinja2 is not installed.
    """
    check_installed()
    from sentiment_hf.comparison.page.figures import pictures

    if not texts:
        comparison = without_texts(comparison)
    task = task_of(comparison)
    drawn = pictures(comparison, task)
    more = {"pictures": drawn, "contents": section_titles(comparison, drawn, task)}
    files = {
        PAGE_HTML: render_template("report.html.j2", comparison, {"autoescape": True}, **more),
        PAGE_MARKDOWN: render_template("report.md.j2", comparison, {"finalize": escape_markdown}),
        PAGE_CSV: csv_table(comparison["models"], task),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / PAGE_JSON, comparison)
    for name, content in files.items():
        write_text(folder / name, content)


def task_of(comparison: dict) -> Task:
    """The task of the models of a comparison."""
    return task_named(comparison.get("task", SingleLabel.name), comparison["labels"], None, None)


def check_installed() -> None:
    """Raise InputError if a package of the extra `report` is missing; called before the runs, which may take hours."""
    with extra_explained("report"):
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401


def without_texts(comparison: dict) -> dict:
    """A copy of the comparison in which the text of every test row is None."""
    shown = {key: [row | {"text": None} for row in comparison[key]] for key in ("disagreements", "label_errors")}
    return comparison | shown


def csv_table(models: list[dict], task: Task) -> str:
    """results.csv: a header and a line for each model, with a column `side_by_side` if one was made beside others."""
    lines = [csv_line(model, task) for model in models]
    if any("side_by_side" in model for model in models):
        numbers = [model.get("side_by_side", 1) for model in models]
        lines = [line | {"side_by_side": number} for line, number in zip(lines, numbers, strict=True)]
    file = io.StringIO()
    # All text is quoted: a spreadsheet could split it at another separator and take the rest for a formula.
    writer = csv.DictWriter(file, list(lines[0]), quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def csv_line(model: dict, task: Task) -> dict:
    """The values of a model by column; an interval takes three columns, an unknown value is None."""
    line = {key: escape_formula(model[key]) for key in ("name", "kind", "tuning")}
    line["seeds"] = " ".join(str(seed) for seed in model["seeds"] if seed is not None)
    line["validation"] = (model["validation"] or {}).get("value")
    for key in (score.key for score in task.compared):
        interval = model[key] or dict.fromkeys(("value", "low", "high"))
        line |= {key: interval["value"], f"{key}_low": interval["low"], f"{key}_high": interval["high"]}
    line |= {key: model[key] for key in (*SIZES, *TRAINING)}
    return line | {key: (model["inference"] or {}).get(key) for key in INFERENCE}


def small_page(templates: Path, name: str, **content) -> str:
    """A page of another command, from a file of its `templates`, which may include those of comparisons."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    spacing = {"trim_blocks": True, "lstrip_blocks": True}
    loader = FileSystemLoader([templates, TEMPLATES])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **spacing)
    return environment.get_template(name).render(content)


def render_template(template: str, comparison: dict, settings: dict, **more) -> str:
    """A file of templates/, filled in with `comparison` and `more`; `settings` are those of the Jinja environment."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    spacing = {"trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, **spacing, **settings)
    environment.filters |= {function.__name__: function for function in FILTERS}
    names = [model["name"] for model in comparison["models"]]
    task = task_of(comparison)
    method = [*method_lines(task), *cost_method(comparison)]
    return environment.get_template(template).render(
        comparison,
        names=names,
        letters=formatting.group_letters(comparison["groups"], names),
        pair_of=pairs_by_names(comparison["pairs"], task),
        task=task,
        tests=TestKeys.of(task),
        blocks=column_blocks(names[1:]),
        marks=formatting.group_marks(comparison["groups"]),
        timed=any(model["inference"] for model in comparison["models"]),
        speeds=INFERENCE,
        digits=formatting,
        parts=score_by_part(comparison["models"], task.ranking),
        scores=task.compared,
        ranking=task.ranking,
        gap=gap_to_validation(comparison["models"], task.ranking),
        alone=comparison["candidates"] == 1,
        labels_said=labels_in_words(comparison["labels"], task),
        title=page_title(comparison),
        hidden=comparison["candidates"] - len(comparison["models"]),
        trained=TRAINED,
        tunings=TUNINGS,
        perturbations=NAMES,
        method=method,
        **more,
    )


def page_title(comparison: dict) -> str:
    """The title of the page: that of a comparison, or the model that stands alone."""
    if comparison["candidates"] == 1:
        return f"{comparison['models'][0]['name']} on {comparison['dataset']}"
    return f"Comparison of {formatting.plural(comparison['candidates'], 'model')} on {comparison['dataset']}"


def labels_in_words(labels: list[str], task: Task) -> str:
    """2 classes: negative, positive."""
    if task.name == Regression.name:
        return f"A number: {labels[0]}."
    noun = "label" if task.name == MultiLabel.name else "class"
    return f"{formatting.plural(len(labels), noun)}: {shown(labels)}."


def cost_method(comparison: dict) -> list[str]:
    """What minutes and memory count, unless all runs are of an older version, whose minutes are those of steps."""
    if not any("seconds_by_station" in model for model in comparison["models"]):
        return []
    return [
        "Minutes count from the data files to the saved model: data, tokenizer and features, steps or all fits of a "
        "grid, scoring of validation, saving. Memory is what a run took above its imports."
    ]


@dataclass(frozen=True)
class TestKeys:
    """The keys of the tests of two trained models in an entry of `pairs`.

    word: what only one of them is on the rows that `Task.duel` counts.
    exact: p of `Task.duel` after Holm's correction. difference, p: of the second score; p after Holm's correction.
    """

    word: str
    exact: str
    difference: str
    p: str

    @classmethod
    def of(cls, task: Task) -> Self:
        """The keys for a task."""
        second = second_name(task)
        word = "right" if task.exact == "mcnemar" else "nearer"
        return cls(word, f"{task.exact}_p_holm", f"{second}_difference", f"{second}_p_holm")


def method_lines(task: Task) -> list[str]:
    """How it was measured, in sentences; those with a name of a task before a tab are of this task only."""
    lines = (TEMPLATES / "method.txt").read_text(encoding="utf-8").splitlines()
    return [text for name, _, text in (line.rpartition("\t") for line in lines) if name in ("", task.name)]


def pairs_by_names(pairs: list[dict], task: Task) -> dict[tuple[str, str], dict]:
    """The tests of each pair by (a, b) and by (b, a); a difference is that of the first minus the second."""
    found, key = {(pair["a"], pair["b"]): pair for pair in pairs}, TestKeys.of(task).difference
    for pair in pairs:
        second = pair[key]
        turned = {"value": -second["value"], "low": -second["high"], "high": -second["low"]}
        turned = {"difference": -pair["difference"], key: turned}
        found[pair["b"], pair["a"]] = pair | turned | {"only_a": pair["only_b"], "only_b": pair["only_a"]}
    return found


def gap_to_validation(models: list[dict], ranking: Score) -> list[tuple[float, str]]:
    """The least and the largest validation score minus test score, each with its model; [] if none is known."""
    gaps = sorted(
        (model["validation"]["value"] - model[ranking.key]["value"], model["name"])
        for model in models
        if model["validation"]
    )
    return [gaps[0], gaps[-1]] if gaps else []


def section_titles(comparison: dict, drawn: dict, task: Task) -> dict[str, str]:
    """Headings by anchor of the sections that have content, in the order of the page."""
    alone = comparison["candidates"] == 1
    score = task.ranking.name[0].upper() + task.ranking.name[1:]
    by_label = any("threshold" in one for model in comparison["models"] for one in model.get("per_class", {}).values())
    is_confused = any("confusion" in model for model in comparison["models"])
    titles = {
        "grid": ("What the settings change", comparison["settings"]),
        "better": ("Who is really better", comparison["pairs"]),
        "rows": ("How much training data it takes", drawn["rows"]),
        "curves": ("Learning curves", drawn["curves"]),
        "confusion": ("Confusion matrix" if alone else "Confusion matrices", drawn["confusion"]),
        "confused": ("Classes taken for others", is_confused and not drawn["confusion"]),
        "labels": ("Label by label", by_label),
        "residuals": ("Predictions and errors", drawn["residuals"]),
        "reliability": ("Calibration", drawn["reliability"]),
        "abstention": ("Abstention", drawn["abstention"]),
        "length": (f"{score} by length of the text", drawn["length"]),
    }
    columns = enumerate(drawn["columns"].items())
    titles |= {f"column-{index}": (f"{score} by {column}", panels) for index, (column, panels) in columns}
    titles |= {
        "faithfulness": ("Do explanations name the words that count?", comparison.get("faithfulness")),
        "robustness": ("What changed texts do to the answers", comparison.get("robustness")),
        "disagreements": ("Where the models disagree most", comparison["disagreements"]),
        "label-errors": ("Its surest errors" if alone else "Labels that are likely wrong", comparison["label_errors"]),
        "failed": ("Runs that failed", comparison["failed"]),
    }
    shown = {anchor: title for anchor, (title, content) in titles.items() if content}
    cost = {"cost": f"{score} and its cost"} if drawn["cost"] else {}
    return {**cost, "results": "Results", **shown, "method": "How it was measured", "versions": "Versions"}


def score_by_part(models: list[dict], ranking: Score) -> dict[str, dict]:
    """The score on parts of the test rows, by title: `names` of the parts, and `of` each model a list of scores."""
    score = ranking.name[0].upper() + ranking.name[1:]
    measured = [model for model in models if model["by_length"]]
    found = {}
    if measured:
        bins = [f"{one['from']:,} to {one['to']:,} characters" for one in measured[0]["by_length"]]
        found[f"{score} by length of the text"] = {"names": bins, "of": {m["name"]: m["by_length"] for m in measured}}
    for column in dict.fromkeys(column for model in models for column in model["by_column"]):
        measured = [model for model in models if column in model["by_column"]]
        values = [one["value"] for one in measured[0]["by_column"][column]]
        of = {model["name"]: model["by_column"][column] for model in measured}
        found[f"{score} by {column}"] = {"names": values, "of": of}
    return found


def column_blocks(names: list[str]) -> list[list[str]]:
    """The names in the fewest blocks of at most `ABREAST` names, all of about the same length."""
    number = math.ceil(len(names) / ABREAST)
    width = math.ceil(len(names) / max(number, 1))
    return [names[index * width : (index + 1) * width] for index in range(number)]
