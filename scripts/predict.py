"""Classify texts with a trained model: python scripts/predict.py out/imdb/custom-lstm "A fine film." """

import sys

from sentiment_hf.cli import predict_command

if __name__ == "__main__":
    sys.exit(predict_command(sys.argv[1:]))
