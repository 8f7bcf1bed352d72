"""Measures the speed of a finished run on the CPU: texts per second, latency of one text, size on disk.

python -m sentiment_hf.inference.speed FOLDER < texts.json
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import INFERENCE
from sentiment_hf.runs.finished import model_bytes
from sentiment_hf.settings.model_ref import ModelRef

# Number of texts, texts for the latency, batch size: two digits are stable, and a BERT needs about a minute.
TEXTS, SINGLE, BATCH = 256, 50, 32


def measure_speed(folder: Path, texts: list[str]) -> dict:
    """Measure a run on a sample of `texts` and write inference.json, in a new process without GPU.

    Raises:
        TrainingError: the model could not be loaded or used.
    """
    chosen = np.random.default_rng(0).permutation(len(texts))[:TEXTS]
    command = [sys.executable, "-m", "sentiment_hf.inference.speed", str(folder)]
    done = subprocess.run(
        command,
        input=json.dumps([texts[row] for row in chosen]),
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise TrainingError(f"{folder}: its speed could not be measured: {lines[-1]}")
    found = json.loads(done.stdout.splitlines()[-1])
    write_json(folder / INFERENCE, found)
    return found


def speed_in_this_process(folder: Path, texts: list[str]) -> dict:
    """The content of inference.json: texts per second in batches of 32, and the latency of one text on all cores."""
    import torch
    from threadpoolctl import threadpool_limits

    from sentiment_hf.inference.scorer import load_scorer
    from sentiment_hf.training.processes import available_cores

    cores = available_cores()
    scorer = load_scorer(ModelRef.in_folder(folder))
    rates = {}
    for threads in (1, cores):
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            scorer.classify(texts[:BATCH], BATCH)
            start = time.perf_counter()
            scorer.classify(texts, BATCH)
            rates[threads] = len(texts) / (time.perf_counter() - start)
    seconds = []
    for text in texts[:SINGLE]:
        start = time.perf_counter()
        scorer.score([text])
        seconds.append(time.perf_counter() - start)
    p50, p95 = (1000 * np.quantile(seconds, [0.5, 0.95])).tolist()
    return {
        "texts_per_second_one_core": rates[1],
        "texts_per_second_all_cores": rates[cores],
        "cores": cores,
        "latency_p50_ms": p50,
        "latency_p95_ms": p95,
        "rows": len(texts),
        "bytes_on_disk": model_bytes(folder),
    }


if __name__ == "__main__":
    print(json.dumps(speed_in_this_process(Path(sys.argv[1]), json.load(sys.stdin))))
