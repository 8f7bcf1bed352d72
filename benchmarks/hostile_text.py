"""The cost of a text of 1 MB: python benchmarks/hostile_text.py out/imdb/custom-lstm

Classifies an ordinary text, a million characters in words, one word of a million characters, and a million bytes of
emoji, each in a process of its own. Prints the seconds, and how much more memory each text took than the ordinary one.
"""

import argparse
import json
import subprocess
import sys

TEXTS = {
    "an ordinary text": "'a fine film, ' * 20",
    "1 MB of words": "'a fine film, ' * 77_000",
    "one word of 1 MB": "'x' * 1_000_000",
    "1 MB of emoji": "chr(0x1F600) * 250_000",
}

CHILD = """
import json, resource, sys, time
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.inference.scorer import load_scorer
score = load_scorer(ModelRef.parse(sys.argv[1], trust_remote_code=True)).score
score(["a first one"])
text = eval(sys.argv[2])
begin = time.perf_counter()
score([text])
print(json.dumps([time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def main() -> None:
    """Print a line for each text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder with a trained model")
    folder = parser.parse_args().model
    usual = None
    for name, text in TEXTS.items():
        done = subprocess.run([sys.executable, "-c", CHILD, folder, text], capture_output=True, text=True, check=True)
        seconds, mib = json.loads(done.stdout.splitlines()[-1])
        usual = usual or (seconds, mib)
        print(f"{name:<26} {seconds:7.3f} s   {mib - usual[1]:7.0f} MiB more")


if __name__ == "__main__":
    main()
