"""Pictures of how seconds and memory grow."""

from pathlib import Path
from statistics import median
from typing import Any


def draw(curves: list[dict[str, Any]], folder: Path, name: str) -> list[str]:
    """Draw each curve beside the others into one file of `folder`; return its name in a list, none without curves.

    A curve is plain data: title, x (points), x_label, y ((rounds) for each point), y_label.
    """
    if not curves:
        return []
    # Imported for pictures only: the page is made without matplotlib where there are none.
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, places = plt.subplots(1, len(curves), figsize=(4.2 * len(curves), 3.6), layout="constrained")
    for axes, curve in zip([places] if len(curves) == 1 else places, curves, strict=True):
        for x, values in zip(curve["x"], curve["y"], strict=True):
            axes.plot([x] * len(values), values, "o", color="tab:blue", alpha=0.6)
        axes.plot(curve["x"], [median(values) for values in curve["y"]], color="tab:blue")
        axes.set(title=curve["title"], xlabel=curve["x_label"], ylabel=curve["y_label"])
        # From 0 on both axes, so that what grows in proportion is seen to do so.
        axes.set(xlim=(0, None), ylim=(0, None))
    folder.mkdir(exist_ok=True)
    file = folder / f"performance-{name}.png"
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return [file.name]
