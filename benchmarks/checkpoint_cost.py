"""What a checkpoint with its manifest costs: python benchmarks/checkpoint_cost.py --dataset path/to/imdb

Trains custom-lstm by its recipe for some steps, saves it some times, and prints the seconds of a save by `Trainer`
alone, those that fsync, SHA-256 and the manifest add, and both as shares of the time that an epoch of training takes.
Needs an idle machine.
"""

import argparse
import time
from statistics import median

from training_speed import prepare, trained
from transformers import Trainer

from sentiment_hf.training.checkpoints import write_manifest
from sentiment_hf.training.processes import use_all_cores


def main() -> None:
    """Train, save by turns, print medians and shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="sample", help="as in scripts/run.py")
    parser.add_argument("--steps", type=int, default=60, help="training steps that the speed is taken from")
    parser.add_argument("--rounds", type=int, default=5, help="how often it is saved")
    flags = parser.parse_args()
    args, texts, tokenizer, new_model = prepare(flags)
    use_all_cores(args, None)
    trainer = trained(args, texts, tokenizer, new_model())
    epoch = sum(texts["length"][:]) * trainer.clock["seconds"] / int(trainer.clock["tokens"])
    folder, plain, more = trainer.checkpoint_at(trainer.state.global_step), [], []
    for _ in range(flags.rounds):
        begin = time.perf_counter()
        Trainer._save_checkpoint(trainer, trainer.model, trial=None)
        saved = time.perf_counter()
        write_manifest(folder)
        plain.append(saved - begin)
        more.append(time.perf_counter() - saved)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(f"an epoch of training {epoch:.1f} s, a checkpoint {size:.0f} MB")
    for name, seconds in (("saved by Trainer", median(plain)), ("made sure of", median(more))):
        print(f"{name:<17} {seconds:.3f} s, {seconds / epoch:.2%} of an epoch")


if __name__ == "__main__":
    main()
