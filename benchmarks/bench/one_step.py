"""A run of this program with --profile: python -m benchmarks.bench.one_step --model ... --output_dir FOLDER

Prints one line of JSON: the seconds from the start of the process to the first step of training, and the seconds of
each station before it.
"""

import json
import sys
from pathlib import Path

from benchmarks.peers.program import elapsed
from sentiment_hf.cli import run_command

BEFORE = ("start-up", "reading", "splitting", "hashing", "tokenizer", "tokenizing", "preparing", "other")


def main() -> None:
    """Run, print."""
    if code := run_command([*sys.argv[1:], "--profile"]):
        sys.exit(code)
    seconds = json.loads(Path(sys.argv[-1], "profile.json").read_text())["seconds"]
    later = sum(spent for name, spent in seconds.items() if name not in BEFORE)
    print(json.dumps({"seconds": elapsed() - later, "stations": {name: seconds[name] for name in BEFORE}}))


if __name__ == "__main__":
    main()
