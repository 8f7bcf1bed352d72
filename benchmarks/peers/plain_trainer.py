"""Fine-tuning with `Trainer` as it is, by the settings of the example run_classification.py of transformers:

    python -m benchmarks.peers.plain_trainer path/to/all-MiniLM-L6-v2 FOLDER --max_seq_length 512

Every text is padded to --max_seq_length, texts come in random order, 16 at a time, the learning rate is 2e-5. FOLDER
has train*.parquet. Trains one epoch without validation and prints texts/s of the steps.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)

from benchmarks.peers.program import read_part


class Steps(TrainerCallback):
    """Seconds from the begin of the first step to the end of the last, fetching of batches included."""

    def __init__(self):
        self.begin, self.seconds = None, 0.0

    def on_step_begin(self, *args, **kwargs):
        """Remember the begin of the first step."""
        self.begin = self.begin or time.perf_counter()

    def on_step_end(self, *args, **kwargs):
        """Count up to the end of this step."""
        self.seconds = time.perf_counter() - self.begin


def main() -> None:
    """Tokenize, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--max_seq_length", type=int, required=True)
    flags = parser.parse_args()
    texts, labels = read_part(flags.folder, "train")
    classes = sorted(set(labels))
    tokenizer = AutoTokenizer.from_pretrained(flags.model)
    model = AutoModelForSequenceClassification.from_pretrained(flags.model, num_labels=len(classes))
    cut = {"padding": "max_length", "max_length": flags.max_seq_length, "truncation": True}
    rows = Dataset.from_dict({"text": texts, "label": [classes.index(label) for label in labels]})
    rows = rows.map(lambda batch: tokenizer(batch["text"], **cut), batched=True, remove_columns="text")
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=16,
            num_train_epochs=1,
            learning_rate=2e-5,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        steps = Steps()
        Trainer(model, args, default_data_collator, rows, processing_class=tokenizer, callbacks=[steps]).train()
    print(json.dumps({"texts_per_second": len(rows) / steps.seconds}))


if __name__ == "__main__":
    main()
