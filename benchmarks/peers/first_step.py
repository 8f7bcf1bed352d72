"""A training script as short as it can be, until its first step: datasets, a tokenizer by `map`, and `Trainer`.

    python -m benchmarks.peers.first_step path/to/all-MiniLM-L6-v2 FOLDER

FOLDER has train*.parquet. `datasets` keeps the table and the tokens for the next start in its cache. Prints the
seconds from the start of the process to the first step.
"""

import argparse
import json
import tempfile
from pathlib import Path

from datasets import load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.peers.program import elapsed


class FirstStep(TrainerCallback):
    """Remembers the seconds at which the first step began."""

    seconds = 0.0

    def on_step_begin(self, *args, **kwargs):
        """The only step begins."""
        self.seconds = elapsed()


def main() -> None:
    """Read, tokenize, begin to train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    flags = parser.parse_args()
    files = [str(file) for file in sorted(flags.folder.rglob("train*.parquet"))]
    rows = load_dataset("parquet", data_files=files, split="train")
    tokenizer = AutoTokenizer.from_pretrained(flags.model)
    model = AutoModelForSequenceClassification.from_pretrained(flags.model, num_labels=len(rows.unique("label")))
    rows = rows.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=256), batched=True)
    first = FirstStep()
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder, max_steps=1, save_strategy="no", report_to="none", disable_tqdm=True
        )
        collator = DataCollatorWithPadding(tokenizer)
        Trainer(model, args, collator, rows, processing_class=tokenizer, callbacks=[first]).train()
    print(json.dumps({"seconds": first.seconds}))


if __name__ == "__main__":
    main()
