"""A sample of the fault matrix, through its own runner; `make faults` is the whole of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.kill_faults import SHOTS
from faults.main import PAGE, RESULTS, faults

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_sample_of_every_block_is_survived_or_refused_as_expected():
    command = [sys.executable, "-m", "faults.main", "--sample"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_says_of_each_fault_what_the_committed_verdicts_say():
    """Counted anew from the files, not by what makes the page."""
    kept = [json.loads((RESULTS / f"{program}.json").read_text())["verdicts"] for program in ("ours", "plain")]
    rows = [line[2:-2].split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    found = {id: cells for id, _, *cells in rows[2:]}
    assert found.keys() == kept[0].keys()
    for id, cells in found.items():
        for cell, ends in zip(cells, [verdicts.get(id, []) for verdicts in kept], strict=True):
            shown = [f"{ends.count(end)} {end}" if len(ends) > 1 else end for end in dict.fromkeys(ends)]
            assert sorted(cell.split(", ")) == sorted(", ".join(shown).split(", ")), id


def test_every_fault_that_is_injected_is_on_the_page_and_ends_as_expected():
    verdicts = json.loads((RESULTS / "ours.json").read_text())["verdicts"]
    assert {fault.id: {fault.expected} for fault in faults(SHOTS)} == {id: {*ends} for id, ends in verdicts.items()}
    counts = f"sentiment_hf: **{len(verdicts)} of {len(verdicts)}** rows, {sum(map(len, verdicts.values()))} shots"
    assert counts in PAGE.read_text(encoding="utf-8")
