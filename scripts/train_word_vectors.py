"""Word vectors from texts without labels: python scripts/train_word_vectors.py reviews.csv --output out/vectors.txt"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.cli import exit_code_of
from sentiment_hf.common.errors import FlagParser, InputError, extra_explained
from sentiment_hf.data.columns import find_text_columns, read_texts
from sentiment_hf.data.files import read_file
from sentiment_hf.text.tokenizers import split_words


def main(argv: Sequence[str]) -> None:
    """Train vectors of words and write them to --output.

    Raises:
        InputError: a file cannot be read, no word is frequent enough, or gensim is not installed.
    """
    args = make_parser().parse_args(argv)
    with extra_explained("vectors"):
        from gensim.models import Word2Vec
    texts = [text for path in args.files for text in texts_of(path, args.text_column_names)]
    # Skip-gram with negative sampling (Mikolov et al. 2013). With several workers each run gives other vectors.
    model = Word2Vec(
        vector_size=args.size, window=args.window, min_count=args.min_frequency, sg=1, seed=args.seed, workers=1
    )
    words = list(split_words(texts, lowercase=not args.cased))
    model.build_vocab(words)
    if not len(model.wv):
        raise InputError(f"no word stands in the {len(texts)} texts {args.min_frequency} times: lower --min_frequency")
    model.train(words, total_examples=len(words), epochs=args.epochs)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    model.wv.save_word2vec_format(str(args.output))
    print(f"{len(model.wv):,} words of {len(texts):,} texts, {args.size} numbers each, in {args.output}")


def make_parser() -> argparse.ArgumentParser:
    """The flags of the script. A model that takes the vectors needs --model_config embedding_size=SIZE."""
    flags = FlagParser(description=__doc__, allow_abbrev=False)
    flags.add_argument("files", type=Path, nargs="+", help="tables with a column of texts, as --train_file takes them")
    flags.add_argument("--output", type=Path, required=True, help="where --word_vectors then finds them")
    flags.add_argument("--text_column_names", help="the column of texts, where it has no usual name")
    flags.add_argument("--size", type=int, default=128, help="numbers in a vector (default: 128)")
    flags.add_argument("--window", type=int, default=5, help="words to each side that are its company (default: 5)")
    flags.add_argument("--epochs", type=int, default=5, help="times that the texts are read (default: 5)")
    flags.add_argument("--min_frequency", type=int, default=5, help="rarer words get no vector (default: 5)")
    flags.add_argument("--cased", action="store_true", help="for models trained with --lowercase false")
    flags.add_argument("--seed", type=int, default=0, help="the same seed gives the same vectors (default: 0)")
    return flags


def texts_of(path: Path, columns: str | None) -> list[str]:
    """The texts of a table; other columns are not read. Raises InputError."""
    table = read_file(path, "file")
    return read_texts(table, find_text_columns(table, columns), " ").to_pylist()


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: main(sys.argv[1:])))
