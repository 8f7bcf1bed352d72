"""Several finished runs as one: python scripts/ensemble.py out/imdb/custom-gru out/imdb/custom-lstm"""

import sys

from sentiment_hf.cli import ensemble_command

if __name__ == "__main__":
    sys.exit(ensemble_command(sys.argv[1:]))
