"""`transformers.pipeline` over a csv file: python -m benchmarks.peers.pipeline MODEL texts.csv --output out.csv

Prints one line of JSON: the seconds since the process was started, when each station was over, and the seconds of each
of the first --latency texts, which are classified one by one when all that is done.
"""

import argparse
import json
import time
from pathlib import Path

from transformers import pipeline

from benchmarks.peers.program import elapsed, read_texts, write_predictions


def main() -> None:
    """Classify as the documentation shows it, texts cut to the limit of the model."""
    stations = {"imports": elapsed()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("file", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--batch_size", type=int, default=1)
    parser.add_argument("--latency", type=int, default=0)
    flags = parser.parse_args()
    classify = pipeline("text-classification", model=flags.model, trust_remote_code=True)
    texts = read_texts(flags.file)
    stations["loading"] = elapsed()
    scored = list(classify(texts, batch_size=flags.batch_size, truncation=True, top_k=None))
    stations["classifying"] = elapsed()
    if flags.output:
        names = sorted(classify.model.config.label2id)
        scores = [{one["label"]: one["score"] for one in row} for row in scored]
        columns = {f"probability_{name}": [row[name] for row in scores] for name in names}
        write_predictions(flags.output, texts, [row[0]["label"] for row in scored], **columns)
    found = {"seconds": elapsed(), "stations": stations}
    print(json.dumps(found | {"latencies": [seconds_of(classify, text) for text in texts[: flags.latency]]}))


def seconds_of(classify, text: str) -> float:
    """Seconds for one text."""
    begin = time.perf_counter()
    classify(text, truncation=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
