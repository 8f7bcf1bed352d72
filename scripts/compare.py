"""Put runs side by side: python scripts/compare.py out/imdb/*, or make them: --config configs/compare/imdb.yaml"""

import sys

from sentiment_hf.cli import compare_command

if __name__ == "__main__":
    sys.exit(compare_command(sys.argv[1:]))
