"""The command pretrain: a language model, from which classifiers start, or vectors of words, of texts alone."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.cli.run import run_main
from sentiment_hf.common.errors import FlagParser, InputError, extra_explained
from sentiment_hf.settings.arguments import DataArguments, RunSpec
from sentiment_hf.settings.flags import flags_of
from sentiment_hf.settings.ranges import COUNT, SEED, check_range
from sentiment_hf.settings.run_flags import parse_run

OBJECTIVES = ("words", "vectors")

# {flag of vectors: (default, help)}
OF_VECTORS = {
    "vector_size": (128, "numbers in a vector"),
    "window": (5, "words to each side that are its company"),
    "epochs": (5, "times that the texts are read"),
    "min_count": (5, "rarer words get no vector"),
    "seed": (0, "the same seed gives the same vectors"),
}
OWN_FLAGS = ", ".join(f"--{name}" for name in ("output_file", *OF_VECTORS))

HELP = """sentiment-hf pretrain takes the flags of `sentiment-hf run`, which follow.
For vectors of words alone: sentiment-hf pretrain --objective vectors --help
"""


def pretrain_main(argv: Sequence[str]) -> None:
    """Train a language model as `run` does, or vectors of words; raises as `run_main` and `train_vectors`."""
    objective, rest = objective_of(argv)
    if objective == "vectors":
        train_vectors(*parse_vectors(rest))
    else:
        if {"--help", "-h"} & set(rest):
            print(HELP)
        run_main([*rest, "--objective", "words"])


def parse_pretrain(argv: Sequence[str]) -> RunSpec:
    """The settings of what would be trained; raises InputError for wrong flags."""
    objective, rest = objective_of(argv)
    return parse_vectors(rest)[1] if objective == "vectors" else parse_run([*rest, "--objective", "words"])


def objective_of(argv: Sequence[str]) -> tuple[str, list[str]]:
    """(one of `OBJECTIVES`, the other words)."""
    flags = FlagParser(prog="sentiment-hf pretrain", description=__doc__, allow_abbrev=False, add_help=False)
    flags.add_argument("--objective", choices=OBJECTIVES, default="words")
    chosen, rest = flags.parse_known_args(argv)
    return chosen.objective, rest


def parse_vectors(argv: Sequence[str]) -> tuple[argparse.Namespace, RunSpec]:
    """(the flags of the vectors, those of data and --lowercase in a spec of which nothing else is used).

    Raises InputError for other flags, and for values out of range.
    """
    flags = FlagParser(
        prog="sentiment-hf pretrain --objective vectors",
        description="Vectors of the words of train and of --text_file. The data are named as in `run`.",
        allow_abbrev=False,
    )
    flags.add_argument("--output_file", type=Path, required=True, help="where --word_vectors then finds them")
    for name, (value, text) in OF_VECTORS.items():
        flags.add_argument(f"--{name}", type=int, default=value, help=f"{text} (default: {value})")
    own, rest = flags.parse_known_args(argv)
    for name in OF_VECTORS:
        check_range(name, getattr(own, name), SEED if name == "seed" else COUNT)
    if own.output_file.is_dir():
        raise InputError(f"--output_file {own.output_file} is a folder; expected the name of a file")
    known = {option for flag in flags_of(DataArguments) for option in flag.options} | {"--lowercase"}
    if unknown := [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]:
        raise InputError(f"{unknown[0]}: vectors of words have no such flag; they take those of data, and {OWN_FLAGS}")
    return own, parse_run(["--model", "custom-lstm", *rest, "--objective", "words"])


def train_vectors(args: argparse.Namespace, spec: RunSpec) -> None:
    """Write vectors of the words of train and of --text_file, by skip-grams (Mikolov et al. 2013).

    Raises InputError: a file cannot be read, no word is frequent enough, or gensim is not installed.
    """
    with extra_explained("vectors"):
        from gensim.models import Word2Vec
    # Imported after the flags are accepted, because they import torch.
    from sentiment_hf.data.splits import load_splits
    from sentiment_hf.text.tokenizers import split_words

    splits = load_splits(spec.data)
    texts = [*splits.train, *(splits.unlabelled or ())]
    # With several workers each run would give other vectors.
    model = Word2Vec(
        vector_size=args.vector_size, window=args.window, min_count=args.min_count, sg=1, seed=args.seed, workers=1
    )
    words = list(split_words(texts, lowercase=spec.tokenizer.lowercase))
    model.build_vocab(words)
    if not len(model.wv):
        raise InputError(f"no word stands in the {len(texts):,} texts {args.min_count} times: lower --min_count")
    model.train(words, total_examples=len(words), epochs=args.epochs)
    args.output_file.parent.mkdir(parents=True, exist_ok=True)
    model.wv.save_word2vec_format(str(args.output_file))
    print(f"{len(model.wv):,} words of {len(texts):,} texts, {args.vector_size} numbers each, in {args.output_file}")
