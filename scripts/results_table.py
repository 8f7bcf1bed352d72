"""The README's table from the committed reports: python scripts/results_table.py results/imdb"""

import json
import sys
from pathlib import Path

HEADER = """\
| run | test | 95 % interval | macro F1 | validation | parameters | trained | minutes | tokens/s | MiB | threads |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""


def results_table(folder: Path) -> str:
    """A Markdown line per report.json in the sub-folders, best test accuracy first."""
    reports = [(path.parent.name, json.loads(path.read_text())) for path in folder.glob("*/report.json")]
    reports.sort(key=lambda named: -named[1]["test"]["accuracy"])
    return HEADER + "".join(line(name, report) for name, report in reports)


def line(name: str, report: dict) -> str:
    """Accuracies in percent."""
    test, validation = report["test"], report["validation"]
    low, high = test["accuracy_interval"]
    cells = [
        f"`{name}`",
        f"{test['accuracy']:.2%}",
        f"{low:.1%} to {high:.1%}",
        f"{test['f1_macro']:.2%}",
        f"{validation['accuracy']:.1%}",
        f"{report['parameters']:,}",
        f"{report['trainable_parameters']:,}",
        f"{report['train_seconds'] / 60:.1f}",
        f"{report['train_tokens_per_second']:,.0f}",
        f"{report['peak_memory_bytes'] / 2**20:,.0f}",
        str(report["threads"]),
    ]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    print(results_table(Path(sys.argv[1])), end="")
