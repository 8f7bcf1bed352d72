"""Measures the speed of a finished run on the CPU: texts per second, latency of one text, size on disk.

python -m sentiment_hf.inference.speed FOLDER THREADS TRUST < texts.json
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from sentiment_hf.common.cores import available_cores
from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.layout import INFERENCE
from sentiment_hf.common.processor import processor_name
from sentiment_hf.runs.finished import model_bytes
from sentiment_hf.settings.model_ref import ModelRef

# Number of texts, texts for the latency, batch size: two digits are stable, and a BERT needs about a minute.
TEXTS, SINGLE, BATCH = 256, 50, 32

# Read when these start: Rayon (the threads of `tokenizers`), OpenBLAS, Accelerate of macOS. Threads of torch, OpenMP
# and MKL are limited in the process itself.
THREAD_VARIABLES = ("RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def measure_speed(folder: Path, texts: Sequence[str] | LabelledTexts, trust_remote_code: bool = False) -> dict:
    """Measure a run on a sample of `texts` and write inference.json: once on one core, once on all of them.

    Each is a new process with as many threads, because libraries fix their threads when they start. No accelerator is
    used. Code that comes with the model is run only with `trust_remote_code`.

    Raises:
        TrainingError: the model could not be loaded or used.
    """
    chosen = [texts[row] for row in np.random.default_rng(0).permutation(len(texts))[:TEXTS]]
    cores = available_cores()
    one, every = (measure_on(folder, chosen, threads, trust_remote_code) for threads in (1, cores))
    found = {
        "texts_per_second_one_core": one["texts_per_second"],
        "texts_per_second_all_cores": every["texts_per_second"],
        "processor": processor_name(),
        "cores": cores,
        "latency_p50_ms": every["latency_p50_ms"],
        "latency_p95_ms": every["latency_p95_ms"],
        "rows": len(chosen),
        "bytes_on_disk": model_bytes(folder),
    }
    write_json(folder / INFERENCE, found)
    return found


def is_measured_here(folder: Path) -> bool:
    """Whether inference.json is there and of a machine with this processor and as many cores."""
    if not (folder / INFERENCE).is_file():
        return False
    found = read_json(folder / INFERENCE)
    return (found.get("processor"), found.get("cores")) == (processor_name(), available_cores())


def measure_on(folder: Path, texts: list[str], threads: int, trust_remote_code: bool) -> dict:
    """The result of `speed_in_this_process` in a new process with `threads` threads; raises TrainingError."""
    command = [sys.executable, "-m", "sentiment_hf.inference.speed", str(folder), str(threads)]
    done = subprocess.run(
        [*command, str(int(trust_remote_code))],
        input=json.dumps(texts),
        env=os.environ | environment_for(threads),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise TrainingError(f"{folder}: its speed could not be measured: {lines[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def environment_for(threads: int) -> dict[str, str]:
    """The variables with which a new process uses `threads` threads and no GPU."""
    parallel = {"TOKENIZERS_PARALLELISM": "false" if threads == 1 else "true", "CUDA_VISIBLE_DEVICES": ""}
    return dict.fromkeys(THREAD_VARIABLES, str(threads)) | parallel


@contextmanager
def threads_limited(threads: int) -> Iterator[None]:
    """Let torch and the loaded libraries use `threads` threads; one stays on one core, where the platform can.

    The core is given to this thread and to those that it starts later.
    """
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        yield


def speed_in_this_process(folder: Path, texts: list[str], threads: int, trust_remote_code: bool) -> dict:
    """Texts per second in batches of 32, and the latency of one text, with `threads` threads on the CPU."""
    from sentiment_hf.inference.scorer import load_scorer

    with threads_limited(threads):
        # A graph gets its threads when it is loaded.
        scorer = load_scorer(ModelRef.in_folder(folder, trust_remote_code=trust_remote_code), device="cpu")
        scorer.classify(texts[:BATCH], BATCH)
        start = time.perf_counter()
        scorer.classify(texts, BATCH)
        rate = len(texts) / (time.perf_counter() - start)
        seconds = []
        for text in texts[:SINGLE]:
            start = time.perf_counter()
            scorer.score([text], 1)
            seconds.append(time.perf_counter() - start)
    p50, p95 = (1000 * np.quantile(seconds, [0.5, 0.95])).tolist()
    return {"texts_per_second": rate, "latency_p50_ms": p50, "latency_p95_ms": p95}


if __name__ == "__main__":
    place, threads, trusted = Path(sys.argv[1]), int(sys.argv[2]), bool(int(sys.argv[3]))
    print(json.dumps(speed_in_this_process(place, json.load(sys.stdin), threads, trusted)))
