"""Keep finished runs without their weights: python scripts/keep_results.py results/imdb out/imdb/*"""

import shutil
import sys
from pathlib import Path

# Predictions hold labels and probabilities, and no text.
KEPT = ("report.json", "predictions.parquet", "validation_predictions.parquet", "metrics.jsonl", "inference.json")


def keep(to: Path, folders: list[Path]) -> None:
    """Copy the kept files of each finished run into a folder of its name; other folders are named and left."""
    for folder in folders:
        if not (folder / KEPT[0]).is_file():
            print(f"{folder}: no finished run, left out", file=sys.stderr)
            continue
        (to / folder.name).mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, to / folder.name / name)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
