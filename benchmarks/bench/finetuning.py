"""Fine-tuning of MiniLM: the trainer of this program beside `Trainer` with the settings of the usual example."""

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bench.data import data_folder
from benchmarks.bench.figures import by_turns, table
from benchmarks.bench.processes import RUN, finish, peer
from benchmarks.bench.settings import Settings

OURS, PEER = "this program", "Trainer, all padded"
BATCH = 16

# As the peer: one epoch, its batch and learning rate, neither validation nor checkpoints.
FLAGS = (
    *("--per_device_train_batch_size", str(BATCH), "--num_train_epochs", "1", "--learning_rate", "2e-5"),
    *("--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false", "--do_train", "true"),
)


def measure(settings: Settings) -> dict[str, Any]:
    """A table of texts/s for each limit of tokens.

    Raises:
        ValueError: there is no --minilm.
    """
    if settings.minilm is None:
        raise ValueError("--minilm is not given: name the folder of a pretrained encoder, or leave finetuning out")
    texts = BATCH * settings.pick(6, 2)
    folder = data_folder(settings, texts, BATCH)
    tables = []
    for length in settings.pick((256, 512), (256,)):
        ways = {
            OURS: lambda length=length: of_ours(settings.minilm, length, folder),
            PEER: lambda length=length: of_peer(settings.minilm, length, folder),
        }
        runs = by_turns(ways, settings.pick(2, 1))
        tables.append(table(f"At most {length} tokens, {texts} texts", "texts/s", runs, "more", OURS))
    return {"tables": tables}


def of_ours(model: Path, length: int, folder: Path) -> float:
    """Texts/s of the steps, as report.json has them."""
    # By files, because of a folder without validation a tenth of train would be taken for it.
    data = ("--train_file", str(folder / "train.parquet"))
    data += tuple(word for part in ("validation", "test") for word in (f"--{part}_file", str(folder / "test.parquet")))
    with tempfile.TemporaryDirectory() as home:
        words = ("--max_seq_length", str(length), "--output_dir", f"{home}/run")
        finish([*RUN, "--model", str(model), *words, *data, *FLAGS])
        return json.loads(Path(home, "run/report.json").read_text())["train_texts_per_second"]


def of_peer(model: Path, length: int, folder: Path) -> float:
    """Texts/s of the steps of benchmarks/peers/plain_trainer.py."""
    done = finish(peer("plain_trainer", model, folder, "--max_seq_length", length))
    return done.printed["texts_per_second"]
