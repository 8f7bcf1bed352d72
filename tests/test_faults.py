"""A sample of the fault matrix, through its own runner; `make faults` is the whole of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from faults.kill_faults import SHOTS
from faults.main import PAGE, faults, page

ROOT = Path(__file__).parents[1]


def test_a_sample_of_every_block_is_survived_or_refused_as_expected():
    command = [sys.executable, "-m", "faults.main", "--sample"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_is_made_of_the_committed_verdicts_and_ours_are_all_as_expected():
    assert page() == PAGE.read_text(encoding="utf-8")
    good, injected = re.search(r"sentiment_hf: \*\*(\d+) of (\d+)\*\* rows", page()).groups()
    assert good == injected == str(len(faults(SHOTS)))
