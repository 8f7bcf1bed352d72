"""How long commands take to begin: python benchmarks/startup.py out/imdb/custom-lstm out/imdb/all-minilm-full

Each folder holds a finished run. Help, `list`, refused flags and a dry run of `push` are timed, then `predict` of one
text beside a script of five lines that loads the same folder with transformers alone. All of them take turns, each
in a process of its own, so that what else the machine does meets all of them alike. Seconds from start to end of
the process; the ratio is that of the minima.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

TEXT = "A fine film, warm and bright."
COMMANDS = ("run", "compare", "ensemble", "predict", "push", "list")

# Flags and values that are refused: unknown, of the wrong type, a contradiction, a folder that is not there.
REFUSED = (
    ("run", "--model", "custom-lstm", "--lerning_rate", "0.1"),
    ("run", "--model", "custom-lstm", "--seed", "one"),
    ("run", "--model", "custom-lstm", "--fp16", "--bf16"),
    ("compare", "--models", "custom-fc", "--dataset", "sample", "--lerning_rate", "0.1"),
    ("compare", "no-such-run"),
    ("ensemble", "no-such-run", "nor-this"),
    ("predict", "no/such/folder", TEXT),
    ("push", "no-such-run", "--hub_model_id", "me/mine", "--dry_run"),
)

SCRIPT = """import sys, torch, custom_models
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer, model = (auto.from_pretrained(sys.argv[1]) for auto in (AutoTokenizer, AutoModelForSequenceClassification))
scores = model.eval()(**tokenizer(sys.argv[2], return_tensors="pt")).logits.softmax(-1)[0].tolist()
print(model.config.id2label[max(range(len(scores)), key=scores.__getitem__)], scores)
"""


def main() -> None:
    """A table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="finished runs of models, no adapters and no baselines")
    parser.add_argument("--repetitions", type=int, default=5)
    args = parser.parse_args()
    folders = [folder.resolve() for folder in args.folders]
    launches = launches_of(folders)
    seconds = {name: [] for name in launches}
    with tempfile.TemporaryDirectory() as home:
        for repetition in range(args.repetitions + 1):
            for name, (command, code) in launches.items():
                taken = timed(command, code, Path(home))
                # The first round fills the cache of the disk.
                if repetition:
                    seconds[name].append(taken)
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {args.repetitions} repetitions\n")
    print("| command | minimum (s) | median (s) | beside the script |\n|---|---:|---:|---:|")
    for name, times in seconds.items():
        script = name.replace("predict", "five lines:")
        ratio = f"{min(times) / min(seconds[script]):.2f}" if script != name and script in seconds else ""
        print(f"| {name} | {min(times):.2f} | {median(times):.2f} | {ratio} |")


def launches_of(folders: list[Path]) -> dict[str, tuple[list[str], int]]:
    """By what the table calls it: a command line, and the exit code that it must end with."""
    program = [sys.executable, "-m", "sentiment_hf"]
    launches = {"--help": ([*program, "--help"], 0)}
    launches |= {f"{command} --help": ([*program, command, "--help"], 0) for command in COMMANDS}
    launches["list"] = ([*program, "list"], 0)
    launches |= {f"refused: {' '.join(words)}": ([*program, *words], 2) for words in REFUSED}
    for folder in folders:
        dry = ["push", str(folder), "--hub_model_id", "me/mine", "--dry_run"]
        launches[f"push --dry_run {folder.name}"] = ([*program, *dry], 0)
        launches[f"predict {folder.name}"] = ([*program, "predict", str(folder), TEXT], 0)
        launches[f"five lines: {folder.name}"] = ([sys.executable, "-c", SCRIPT, str(folder), TEXT], 0)
    return launches


def timed(command: list[str], code: int, home: Path) -> float:
    """Seconds; raises RuntimeError for another exit code. The process is in an empty folder and asks no network."""
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
    taken = time.perf_counter() - start
    if done.returncode != code:
        raise RuntimeError(f"{command} ended with {done.returncode}, expected {code}: {done.stderr}")
    return taken


def processor() -> str:
    """The name of the processor, as Linux tells it, else its kind."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
