"""Tables and pictures of docs/experiments.md from results/experiments/<name>/: python scripts/experiments.py"""

import re
import sys
from pathlib import Path

from sentiment_hf.cli import exit_code_of
from sentiment_hf.common.errors import InputError
from sentiment_hf.comparison.page.figures import pictures
from sentiment_hf.comparison.page.formatting import amount, decimals, marked, percent, with_interval
from sentiment_hf.comparison.page.page import task_of
from sentiment_hf.comparison.plan.flags import parse_compare
from sentiment_hf.comparison.plan.grid import as_word
from sentiment_hf.comparison.statistics.results import compare
from sentiment_hf.runs.finished import load_runs

ROOT = Path(__file__).parents[1]
RECIPES, RESULTS = ROOT / "configs" / "experiments", ROOT / "results" / "experiments"
PAGE = ROOT / "docs" / "experiments.md"


def main() -> None:
    """Draw the picture and write the table of every experiment that has results.

    Raises:
        InputError: the page has no section for one of the tables.
    """
    page = PAGE.read_text(encoding="utf-8")
    for folder in sorted(path for path in RESULTS.glob("*") if path.is_dir()):
        comparison = load_experiment(folder)
        for name, drawn in pictures(comparison, task_of(comparison)).items():
            if name in ("grid", "rows") and drawn:
                file = PAGE.parent / "experiments" / f"{folder.name}.svg"
                file.parent.mkdir(exist_ok=True)
                file.write_text(drawn[0].svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) + "\n")
        page = with_table(page, folder.name, experiment_table(comparison))
    PAGE.write_text(page, encoding="utf-8")


def load_experiment(folder: Path) -> dict:
    """The comparison of the committed runs of one recipe, with the grid of the recipe."""
    args = parse_compare(["--config", str(RECIPES / f"{folder.name}.yaml")])
    settings = {
        f"{name}-seed{seed}": candidate.settings
        for name, candidate in args.models.items()
        for seed in range(candidate.seeds)
    }
    # An experiment asks what a setting changes and chooses none, so it shows the test scores of all of them.
    return compare(load_runs([folder], settings), None, args.grid, show_all_test=True)


def experiment_table(comparison: dict) -> str:
    """A Markdown table with a line for each model, best validation accuracy first; 95 % intervals."""
    if comparison["learning_curve"]:
        return learning_curve_table(comparison["learning_curve"])
    keys = list(comparison["grid"] or {}) or ["model"]
    scores = "validation accuracy (%) | test accuracy (%) | test log-loss (nats) | training (minutes)"
    lines = [f"| {' | '.join(keys)} | {scores} |", f"|{'---|' * len(keys)}---:|---:|---:|---:|"]
    for model in comparison["models"]:
        cells = [as_word(value) for value in model["settings"].values()] or [model["name"]]
        cells += [with_interval(model["validation"], percent)]
        cells += [with_interval(model["accuracy"], percent), with_interval(model["log_loss"], decimals)]
        cells += [marked(amount(model["train_minutes"]), model)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def learning_curve_table(models: list[dict]) -> str:
    """A Markdown table: a line for each model, a column for each number of training rows; with 95 % intervals.

    The model with the best validation accuracy on its most rows comes first.
    """
    sizes = sorted({point["train_rows"] for model in models for point in model["points"]})
    models = sorted(models, key=lambda model: -model["points"][-1]["validation"])
    lines = [f"| test accuracy (%) by training reviews | {' | '.join(f'{size:,}' for size in sizes)} |"]
    lines += [f"|---|{'---:|' * len(sizes)}"]
    for model in models:
        known = {point["train_rows"]: with_interval(point["accuracy"], percent) for point in model["points"]}
        lines.append(f"| {' | '.join([model['name'], *(known.get(size, '') for size in sizes)])} |")
    return "\n".join(lines)


def with_table(page: str, name: str, lines: str) -> str:
    """The page with these lines between the two marks of the experiment; raises InputError if they are missing."""
    marks = rf"(<!-- table {re.escape(name)} -->\n).*?(<!-- end -->)"
    if not re.search(marks, page, re.DOTALL):
        raise InputError(
            f"{PAGE}: the section of {name} has no place for its table: <!-- table {name} --> <!-- end -->"
        )
    return re.sub(marks, lambda found: f"{found[1]}{lines}\n{found[2]}", page, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
