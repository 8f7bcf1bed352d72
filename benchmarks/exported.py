"""Runs beside their exports, on one core: python -m benchmarks.exported RUN EXPORT ... (from where their data lie)

Prints a line of Markdown for each folder: size, accuracy on test as its report has it, texts per second in batches of
32, and the median milliseconds of a single text. The texts are those of the test rows of the first run.
"""

import sys
from pathlib import Path

import numpy as np

from sentiment_hf.common.markdown import markdown_table
from sentiment_hf.common.processor import processor_name
from sentiment_hf.inference.speed import SINGLE, TEXTS, measure_on
from sentiment_hf.runs.data_again import data_of_run
from sentiment_hf.runs.finished import model_bytes
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.model_ref import ModelRef

HEADER = ("folder", "MB", "test", "texts/s", "one text (ms)")


def main(folders: list[str]) -> None:
    """Print the table."""
    reports = [Report.load(Path(folder)) for folder in folders]
    texts = data_of_run(ModelRef.in_folder(Path(folders[0])), reports[0], None).test.inputs
    chosen = [texts[row] for row in np.random.default_rng(0).permutation(len(texts))[:TEXTS]]
    rows = []
    for folder, report in zip(map(Path, folders), reports, strict=True):
        found, task = measure_on(folder, chosen, 1, True), report.as_task()
        score = task.ranking.shown(report.test[task.ranking.key])
        speed = f"{found['texts_per_second']:,.0f}", f"{found['latency_p50_ms']:.2f}"
        rows.append((folder.name, f"{model_bytes(folder) / 1e6:,.1f}", score, *speed))
    print(f"{processor_name()}, one core, {TEXTS} texts in batches of 32, {SINGLE} single ones\n")
    print("\n".join(markdown_table(HEADER, rows)))


if __name__ == "__main__":
    main(sys.argv[1:])
