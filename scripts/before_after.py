"""A picture of models before and after they were taught: python scripts/before_after.py results/imdb-distilled PICTURE

Of each model NAME-taught there is a model NAME. An arrow leads from the accuracy of the one to that of the other, at
the texts that one core classifies in a second.
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from sentiment_hf.comparison.statistics.results import model_entry
from sentiment_hf.comparison.statistics.seeds import Model, group_seeds
from sentiment_hf.runs.finished import load_runs_in

TAUGHT = "-taught"
SIZE, DOTS = (8, 5), 120


def place(model: Model) -> tuple[float, float]:
    """(texts a second on one core, score on test in percent)."""
    entry = model_entry(model, None, {})
    return entry["inference"]["texts_per_second_one_core"], 100 * entry[model.task.ranking.key]["value"]


def draw(models: list[Model], to: Path) -> None:
    """Write the picture."""
    figure = Figure(SIZE, layout="constrained")
    axes, by_name = figure.add_subplot(), {model.name: model for model in models}
    for name, model in by_name.items():
        speed, score = place(model)
        after = by_name.get(f"{name}{TAUGHT}")
        if name.endswith(TAUGHT):
            continue
        axes.plot(speed, score, "o", color="0.35")
        axes.annotate(name, (speed, score), (6, -12), textcoords="offset points")
        if after:
            # Both are the same model, so what was measured of its speed differs by chance.
            _, taught = place(after)
            axes.annotate("", (speed, taught), (speed, score), arrowprops={"arrowstyle": "->", "color": "tab:blue"})
            axes.plot(speed, taught, "o", color="tab:blue")
    axes.set_xscale("log")
    axes.set_xlabel("texts a second, one core")
    axes.set_ylabel(f"{models[0].task.ranking.name} on test (%)")
    axes.grid(alpha=0.3)
    axes.margins(0.12)
    figure.savefig(to, dpi=DOTS)


if __name__ == "__main__":
    draw(group_seeds(load_runs_in(Path(sys.argv[1]))), Path(sys.argv[2]))
