"""Several machines and jobs: SLURM starts what trains as one process does, the Hub understands the head of run.py."""

import re
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from helpers import flags, read_report, weights, write_data
from launching import ROOT, environment
from packaging.requirements import Requirement

from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run

EXACT = ("embedding_size=8", "hidden_size=8", "dropout=0", "embedding_dropout=0")
# The commands of SLURM that the script calls, for two machines that are both this one.
SCONTROL = "#!/bin/sh\necho 127.0.0.1\n"
SRUN = """#!/bin/sh
shift
for SLURM_NODEID in 0 1; do
  export SLURM_NODEID
  "$@" &
done
wait
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.slow
def test_what_slurm_starts_on_two_machines_trains_as_one_process_does(tmp_path):
    data = write_data(tmp_path / "data", train=40, validation=15, test=23)
    for name, text in (("scontrol", SCONTROL), ("srun", SRUN)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    where = environment()
    where |= {
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_NNODES": "2",
        "SLURM_GPUS_ON_NODE": "1",
        "PORT": str(free_port()),
    }
    where["PATH"] = f"{tmp_path}:{Path(sys.executable).parent}:{where['PATH']}"
    more = ["--learning_rate", 0.02, "--per_device_train_batch_size"]
    argv = flags(data, tmp_path / "two", *more, 4, "--use_cpu", settings=EXACT)
    script = ROOT / "configs" / "slurm.sbatch"
    done = subprocess.run(["bash", script, *argv], env=where, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("macro F1") == 2
    run(parse_run(flags(data, tmp_path / "one", *more, 8, settings=EXACT)))
    assert read_report(tmp_path / "two")["processes"] == 2
    found, expected = weights(tmp_path / "two"), weights(tmp_path / "one")
    for weight, tensor in expected.items():
        torch.testing.assert_close(found[weight], tensor, rtol=0, atol=2e-5, msg=weight)


def head() -> dict:
    """What run.py says of itself, as PEP 723 has it."""
    text = (ROOT / "scripts" / "run.py").read_text()
    block = re.search(r"^# /// script\n((?:#(?: .*)?\n)+)# ///$", text, re.M)[1]
    return tomllib.loads("".join(line[2:] or "\n" for line in block.splitlines(keepends=True)))


def test_the_head_of_the_script_installs_this_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [Requirement(line).name for line in head()["dependencies"]] == [project["name"]]
    assert head()["requires-python"] == project["requires-python"]


COMMANDS = re.findall(r"^(hf jobs .*)$", (ROOT / "docs" / "processes.md").read_text(), re.M)


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_the_hub_understands_the_jobs_of_the_page(command, tmp_path):
    hf, jobs, *words = shlex.split(command)
    split = 2 if words[0] == "uv" else 1
    dry = [] if "--dry-run" in words else ["--dry-run", "--namespace", "me"]
    where = environment() | {"HF_TOKEN": "hf_none", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    line = [str(Path(sys.executable).with_name(hf)), jobs, *words[:split], *dry, *words[split:]]
    done = subprocess.run(line, env=where, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Job not submitted" in done.stdout + done.stderr
    if words[0] == "uv":
        assert "HF_TOKEN=***" in done.stdout + done.stderr
        parse_run(words[words.index("scripts/run.py") + 1 :])


def test_jobs_were_found():
    assert len(COMMANDS) == 3
