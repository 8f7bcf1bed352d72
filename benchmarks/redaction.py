"""What --redact finds, and how long it takes: python benchmarks/redaction.py --dataset path/to/imdb --show PHONE

Prints for each part how many findings of each kind there are and in how many texts, and the milliseconds per text on
one core; with --show the surroundings of all findings of a kind, for a person who says which of them are wrong.
"""

import argparse
import time
from collections import Counter

import datasets

from sentiment_hf.common.redaction import KINDS, findings, recognizers
from sentiment_hf.data.splits import PARTS, load_splits
from sentiment_hf.settings.arguments import DataArguments

AROUND = 20


def main() -> None:
    """Print the lines of each part."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--dataset", required=True, help="as in run")
    parser.add_argument("--show", choices=KINDS, help="show the findings of this kind")
    args = parser.parse_args()
    datasets.disable_progress_bars()
    splits = load_splits(DataArguments(dataset_name=args.dataset, no_cache=True))
    # The imports are no part of what a text takes.
    recognizers()
    for part in PARTS:
        texts = getattr(splits, part).texts
        start = time.perf_counter()
        found = [findings(text) for text in texts]
        milliseconds = 1000 * (time.perf_counter() - start) / len(texts)
        print(f"{part}: {len(texts):,} texts, {milliseconds:.2f} ms each")
        counts = Counter(one.kind for of_text in found for one in of_text)
        for kind in KINDS:
            in_texts = sum(any(one.kind == kind for one in of_text) for of_text in found)
            print(f"  {kind:<6}{counts[kind]:>6} in {in_texts:,} texts")
        for text, of_text in zip(texts, found, strict=True):
            for one in of_text:
                if one.kind == args.show:
                    print(f"    {text[max(one.start - AROUND, 0) : one.end + AROUND]!r}")


if __name__ == "__main__":
    main()
