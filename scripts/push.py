"""Put a finished run on the Hub: python scripts/push.py out/imdb/custom-lstm --hub_model_id me/custom-lstm-imdb"""

import sys

from sentiment_hf.cli import push_command

if __name__ == "__main__":
    sys.exit(push_command(sys.argv[1:]))
