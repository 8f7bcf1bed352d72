# /// script
# requires-python = ">=3.11"
# dependencies = ["sentiment-hf"]
#
# [tool.hf-jobs]
# flavor = "a10g-small"
# timeout = "12h"
# secrets = ["HF_TOKEN"]
# ///
"""Train, validate and test one model: accelerate launch scripts/run.py --model custom-lstm"""

import sys

from sentiment_hf.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(sys.argv[1:]))
