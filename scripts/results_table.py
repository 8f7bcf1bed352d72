"""A table of the README, made of the committed runs: python scripts/results_table.py results/imdb"""

import sys
from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.comparison.page.formatting import amount, count, marked
from sentiment_hf.comparison.statistics.results import model_entry
from sentiment_hf.comparison.statistics.seeds import Model, best_first, group_seeds
from sentiment_hf.runs.finished import load_runs_in
from sentiment_hf.tasks.task import Score

COSTS = ("parameters", "trained", "minutes", "tokens/s", "texts/s", "MiB", "threads")


def results_table(folder: Path) -> str:
    """A Markdown table with a line for each model, best validation score first."""
    models = best_first(group_seeds(load_runs_in(folder)))
    task = models[0].task
    scores = (with_unit("validation", task.ranking), with_unit("test", task.ranking), "95 % interval")
    names = ("model", "seeds", *scores, with_unit(task.second.name, task.second), *COSTS)
    header = as_line(names) + f"|---|{'---:|' * (len(names) - 1)}\n"
    return header + "".join(map(model_line, models))


def with_unit(name: str, score: Score) -> str:
    """The header of a column with values of a score."""
    return f"{name} ({score.unit})" if score.unit else name


def model_line(model: Model) -> str:
    """The line of a model: mean scores over the seeds, an interval over seeds and test rows, median costs."""
    known, reports = model_entry(model, None, {}), [run.report for run in model.runs]
    ranking, second = model.task.ranking, model.task.second
    score, speed = known[ranking.key], known["inference"] or {}
    cells = [
        f"`{model.name}`" + (f", {known['beside_labels']}" if "beside_labels" in known else ""),
        str(len(reports)),
        ranking.number(model.validation),
        ranking.number(score["value"]),
        ranking.between(score).replace("%", ""),
        second.number(known[second.key]["value"]),
        count(known["parameters"]),
        count(known["trained_parameters"]),
        marked(amount(known["train_minutes"]), known),
        marked(amount(known["train_tokens_per_second"]), known),
        amount(speed.get("texts_per_second_one_core")),
        f"{known['peak_memory_bytes'] / 2**20:,.0f}",
        str(max(report.threads for report in reports)),
    ]
    return as_line(cells)


def as_line(cells: Sequence[str]) -> str:
    """A line of a Markdown table with these cells."""
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    print(results_table(Path(sys.argv[1])), end="")
