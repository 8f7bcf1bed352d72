"""What a checkpoint with its manifest costs: python benchmarks/checkpoint_cost.py --dataset path/to/imdb

Trains custom-lstm by its recipe for some steps, saves it some times, and prints the seconds of a save by `Trainer`
alone, those that fsync, SHA-256 and the manifest add, and both as shares of the time that an epoch of training takes.
Needs an idle machine.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from datasets import Dataset
from transformers import PrinterCallback, Trainer

from sentiment_hf.args import parse_args
from sentiment_hf.checkpoints import write_manifest
from sentiment_hf.data import load_splits
from sentiment_hf.launch import use_all_cores
from sentiment_hf.models import load_model, load_tokenizer
from sentiment_hf.sampling import FewLengthsCollator
from sentiment_hf.tokenization import tokenize
from sentiment_hf.trainer import ClassificationTrainer


def trained(flags: argparse.Namespace, folder: str) -> tuple[ClassificationTrainer, Dataset]:
    """After some steps, with an optimizer to be saved; and the texts of an epoch."""
    model_args, data_args, _, args = parse_args(
        [
            *("--model", "custom-lstm", "--dataset", flags.dataset, "--max_steps", str(flags.steps)),
            *("--eval_strategy", "no", "--save_strategy", "no", "--output_dir", folder, "--disable_tqdm", "true"),
        ]
    )
    use_all_cores(args, None)
    splits = load_splits(data_args)
    tokenizer = load_tokenizer(model_args, splits.train["text"], data_args.max_seq_length)
    texts = tokenize(splits.train, tokenizer, data_args.max_seq_length)
    trainer = ClassificationTrainer(
        model=load_model(model_args, splits.train.features["label"].names, tokenizer),
        args=args,
        train_dataset=texts,
        processing_class=tokenizer,
        data_collator=FewLengthsCollator(tokenizer),
        class_weights=None,
        length_bucketing=True,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer, texts


def main() -> None:
    """Train, save by turns, print medians and shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="sample", help="as in scripts/run.py")
    parser.add_argument("--steps", type=int, default=60, help="training steps that the speed is taken from")
    parser.add_argument("--rounds", type=int, default=5, help="how often it is saved")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trainer, texts = trained(flags, folder)
        epoch = sum(texts["length"][:]) * trainer.clock["seconds"] / int(trainer.clock["tokens"])
        plain, more = [], []
        for _ in range(flags.rounds):
            begin = time.perf_counter()
            Trainer._save_checkpoint(trainer, trainer.model, trial=None)
            saved = time.perf_counter()
            write_manifest(Path(folder, f"checkpoint-{trainer.state.global_step}"))
            plain.append(saved - begin)
            more.append(time.perf_counter() - saved)
        size = sum(path.stat().st_size for path in Path(folder).rglob("checkpoint-*/*")) / 1e6
    print(f"an epoch of training {epoch:.1f} s, a checkpoint {size:.0f} MB")
    for name, seconds in (("saved by Trainer", median(plain)), ("made sure of", median(more))):
        print(f"{name:<17} {seconds:.3f} s, {seconds / epoch:.2%} of an epoch")


if __name__ == "__main__":
    main()
