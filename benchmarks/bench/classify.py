"""Texts of a csv file by this program, without its start: python -m benchmarks.bench.classify MODEL texts.csv

Prints one line of JSON: the seconds of classifying all texts, or with --latency N those of each of the first N.
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
    parser.add_argument("--latency", type=int)
    flags = parser.parse_args()
    scorer, texts = sentiment_hf.load(flags.model), read_texts(flags.file)
    if flags.latency:
        print(json.dumps({"latencies": [seconds_of(scorer, [text]) for text in texts[: flags.latency]]}))
        return
    print(json.dumps({"classifying": seconds_of(scorer, texts)}))


def seconds_of(scorer, texts: list[str]) -> float:
    """Seconds for all `texts` together."""
    begin = time.perf_counter()
    sentiment_hf.predict(scorer, texts)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
