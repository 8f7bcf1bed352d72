"""Texts of a csv file by this program, without its start: python -m benchmarks.bench.classify MODEL texts.csv

Prints one line of JSON: the seconds of classifying all texts, and those of each of the first --latency.
"""

import argparse
import json
import time
from pathlib import Path

import sentiment_hf
from benchmarks.peers.program import read_texts


def main() -> None:
    """Load, classify, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("file", type=Path)
    parser.add_argument("--latency", type=int, default=0)
    flags = parser.parse_args()
    scorer, texts = sentiment_hf.load(flags.model), read_texts(flags.file)
    classifying = seconds_of(scorer, texts)
    latencies = [seconds_of(scorer, [text]) for text in texts[: flags.latency]]
    print(json.dumps({"classifying": classifying, "latencies": latencies}))


def seconds_of(scorer, texts: list[str]) -> float:
    """Seconds for all `texts` together."""
    begin = time.perf_counter()
    sentiment_hf.predict(scorer, texts)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
