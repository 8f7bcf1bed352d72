"""The fault matrix: PYTHONPATH=tests python -m faults.main [--program plain]; FAULTS.md has what came of it."""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

# Imported here, so that no shot has to do it.
import sentiment_hf.runs.run  # noqa: F401
from faults import (
    checkpoint_faults,
    choice_faults,
    data_faults,
    everyday,
    hub_faults,
    kill_faults,
    output_faults,
    run_faults,
    security_faults,
    service_faults,
)
from faults.fault import Fault
from faults.ground import Ground, prepare
from faults.programs import OURS, PLAIN
from sentiment_hf.common.versions import versions

PROGRAMS = {"ours": OURS, "plain": PLAIN}
ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / "results" / "faults", ROOT / "FAULTS.md"

NAMES = {"ours": "sentiment_hf", "plain": "A plain `Trainer`"}

INTRODUCTION = """\
What was injected, and what came of it when the same command was given again. `make faults` makes this page, and
`make faults-plain` its last column: the same faults in a plain `Trainer`, which trains the same model and resumes from
`get_last_checkpoint`.

* **survived**: exit code 0, and weights, optimizer, schedule, random numbers and scores are bit for bit those of an
  undisturbed run (blocks C, R, K, H); texts and labels are as they stand in the file (D); nothing runs, leaks or
  leaves its place (S, U); the service answers all others, and afterwards as before (V); trials and models have the
  scores of an undisturbed search or choice, and test was scored once (T).
* **refused**: exit code 2, or 3 where training had begun, and a line that says what is wrong.
* WRONG: exit code 0, and other weights or scores.
* stuck: the command ends in a traceback, and will each time until a person deletes files.
* traceback: it refuses by one, where a line would do that names file and row, or the flag; nothing is lost.

Rows without a second verdict are of things that a plain `Trainer` does not have."""

# Of every block a few rows, for `make test`.
SAMPLE = {"C01", "C08", "C15", "C21", "C22", "C24", "D01", "D12", "R01", "R09", "S01", "S06", "U01", "U07"}
SAMPLE |= {"E101", "E302", "E402", "E601"}
SAMPLE |= {"H02", "H09", "K1", "K2", "K3", "K4", "V18"}

# The rows by id. Forked workers have them too, which is why no check has to be pickled.
INJECTED: dict[str, Fault] = {}


def faults(shots: int) -> list[Fault]:
    """All rows; each of block K has so many shots."""
    once = (
        checkpoint_faults,
        run_faults,
        data_faults,
        security_faults,
        output_faults,
        hub_faults,
        everyday,
        service_faults,
        choice_faults,
    )
    return [*(fault for block in once for fault in block.FAULTS), *kill_faults.faults(shots)]


def inject(id: str, ground: Ground, home: Path) -> list[str]:
    """The verdict of each shot; what the check itself stumbles over is one too."""
    fault = INJECTED[id]
    folder = home / fault.id
    folder.mkdir()
    try:
        return list(fault.check(ground, folder))
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def main() -> int:
    """Inject, print each row as it comes, write the page; 1 where a verdict is not the expected one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", choices=PROGRAMS, default="ours")
    parser.add_argument("--sample", action="store_true", help="a few rows of every block, one shot each, no page")
    parser.add_argument("--only", nargs="+", help="the ids of the rows; no page")
    parser.add_argument(
        "--keep", action="store_true", help="with --only: their verdicts join the kept ones, with a page"
    )
    args = parser.parse_args()
    rows = faults(1 if args.sample else kill_faults.SHOTS)
    chosen = SAMPLE if args.sample else set(args.only or {row.id for row in rows})
    rows = [row for row in rows if row.id in chosen and (row.plain or args.program == "ours")]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        ground = prepare(PROGRAMS[args.program], Path(home))
        found = in_parallel(rows, ground, Path(home))
    seconds = time.monotonic() - start
    wrong = [row.id for row in rows if set(found[row.id]) != {row.expected}]
    shots = sum(map(len, found.values()))
    print(f"{len(rows) - len(wrong)} of {len(rows)} rows as expected, {shots} shots, {seconds:.0f} s")
    if args.only and args.keep:
        write(args.program, rows, found, seconds, kept_verdicts(args.program))
    elif not args.sample and not args.only:
        write(args.program, rows, found, seconds)
    return 1 if wrong else 0


def in_parallel(rows: list[Fault], ground: Ground, home: Path) -> dict[str, list[str]]:
    """The verdicts by id, on all cores; forked, for the workers have to have computed nothing either."""
    found: dict[str, list[str]] = {}
    INJECTED.update({row.id: row for row in rows})
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        # Those with many shots come last in the table and are begun first.
        waiting = {pool.submit(inject, row.id, ground, home): row for row in reversed(rows)}
        for done in as_completed(waiting):
            row = waiting[done]
            found[row.id] = done.result()
            print(f"{row.id:<4} {row.what:<48} {summary(found[row.id])}", flush=True)
    return found


def summary(verdicts: list[str]) -> str:
    """survived, or 48 survived, 2 stuck; nothing where it was not tried"""
    if len(verdicts) == 1:
        return verdicts[0]
    return ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).most_common())


def kept_verdicts(program: str) -> dict:
    """What is kept of a program, of the same versions. Raises ValueError if it is of others."""
    kept = json.loads((RESULTS / f"{program}.json").read_text())
    if kept["versions"] != versions():
        raise ValueError(f"the kept verdicts are of {kept['versions']}: inject all faults again")
    return kept


def write(
    program: str, rows: list[Fault], found: dict[str, list[str]], seconds: float, before: dict | None = None
) -> None:
    """Keep what was found, beside what was kept `before`, and make the page anew of what is kept of both programs."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    before = before or {"seconds": 0, "verdicts": {}}
    verdicts = before["verdicts"] | {row.id: found[row.id] for row in rows}
    kept = {"seconds": before["seconds"] + round(seconds), "versions": versions(), "verdicts": verdicts}
    (RESULTS / f"{program}.json").write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """FAULTS.md: all rows, whichever program they were injected into last."""
    rows = faults(kill_faults.SHOTS)
    kept = {program: json.loads((RESULTS / f"{program}.json").read_text()) for program in PROGRAMS}
    lines = ["# Faults", "", INTRODUCTION, ""]
    for program, result in kept.items():
        verdicts = result["verdicts"]
        good = sum(set(verdicts.get(row.id, [])) == {row.expected} for row in rows)
        torch, transformers = (result["versions"][name] for name in ("torch", "transformers"))
        lines += [
            f"{NAMES[program]}: **{good} of {len(verdicts)}** rows, {sum(map(len, verdicts.values()))} shots, "
            f"{result['seconds']} s (torch {torch}, transformers {transformers}).",
            "",
        ]
    lines += ["| id | what | verdict | plain Trainer |", "|---|---|---|---|"]
    for row in rows:
        shown = (summary(result["verdicts"].get(row.id, [])) for result in kept.values())
        lines.append(f"| {row.id} | {row.what} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
