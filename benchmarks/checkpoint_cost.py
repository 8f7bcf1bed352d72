"""The cost of a checkpoint with its manifest: python benchmarks/checkpoint_cost.py --dataset path/to/imdb

Trains custom-lstm by its recipe and saves it several times. Prints the seconds that `Trainer` takes to save, the
seconds that fsync, SHA-256 and the manifest add, and both as shares of an epoch of training. Needs an idle machine.
"""

import argparse
import time
from statistics import median

from bench.trainers import prepare
from transformers import Trainer

from sentiment_hf.training.checkpoints import checkpoint_at, write_manifest
from sentiment_hf.training.train import build_trainer


def main() -> None:
    """Train, save with and without the manifest by turns, print medians and shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="sample", help="as in scripts/run.py")
    parser.add_argument("--steps", type=int, default=60, help="training steps, whose speed gives the time of an epoch")
    parser.add_argument("--rounds", type=int, default=5, help="how often it is saved")
    flags = parser.parse_args()
    recipe = ("--model", "custom-lstm", "--dataset", flags.dataset, "--max_steps", str(flags.steps))
    spec, args, splits = prepare(*recipe)
    trainer = build_trainer(spec, args, splits)
    trainer.train()
    epoch = int(trainer.train_dataset.lengths.sum()) * trainer.clock.seconds / int(trainer.clock.tokens)
    folder, library, manifest = checkpoint_at(args.output_dir, trainer.state.global_step), [], []
    for _ in range(flags.rounds):
        begin = time.perf_counter()
        Trainer._save_checkpoint(trainer, trainer.model, trial=None)
        saved = time.perf_counter()
        write_manifest(folder)
        library.append(saved - begin)
        manifest.append(time.perf_counter() - saved)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(f"an epoch of training {epoch:.1f} s, a checkpoint {size:.0f} MB")
    for name, seconds in (("saved by Trainer", median(library)), ("made sure of", median(manifest))):
        print(f"{name:<17} {seconds:.3f} s, {seconds / epoch:.2%} of an epoch")


if __name__ == "__main__":
    main()
