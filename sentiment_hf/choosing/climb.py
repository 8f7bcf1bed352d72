"""Climbs the ladder: trains what fits into the limits and can pay, and says why another model was left out."""

import math
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sentiment_hf.choosing.contenders import (
    Contender,
    best_first,
    contender,
    gained,
    hopeless,
    nothing_to_gain,
    side_of,
    take,
)
from sentiment_hf.choosing.foresee import Foreseen, foresee
from sentiment_hf.choosing.ladder import NGRAMS, RECURRENT, Rung, from_words_rung, taught_rung
from sentiment_hf.choosing.state import FAILED, LEFT_OUT, NO_TIME, TRAINED, Decision, State
from sentiment_hf.common.errors import TrainingError, listed
from sentiment_hf.common.layout import REPORT
from sentiment_hf.comparison.plan.one_run import STOPPED, WITHOUT_TEST, make, planned
from sentiment_hf.comparison.plan.side_by_side import log_path
from sentiment_hf.comparison.statistics.advice import SAME_COST
from sentiment_hf.comparison.statistics.ranking import Side
from sentiment_hf.data.splits import Splits
from sentiment_hf.inference.speed import is_measured_here, measure_speed
from sentiment_hf.runs.report import Report

# A model that would take longer is first trained on a part of the rows, unless the part would have too few.
LONG, SHARE, LEAST_ROWS = 90, 0.25, 400
# On fewer rows all are trained within seconds.
FEW_ROWS = 1_000
# The share of --minutes that a baseline may take. Its time is not foreseen, and it cannot go on from where it stopped.
BASELINE_SHARE = 0.25
# The seeds of models that cannot be told apart.
MORE_SEEDS = (1, 2)


@dataclass
class Climb:
    """A choice that is being made in `folder`.

    data: flags of the data, for every run. splits: what they name. unlabelled: the file of texts without labels.
    begun: when the command began, by `time.monotonic`. before: the seconds of earlier starts.
    """

    folder: Path
    data: list[str]
    splits: Splits
    state: State
    unlabelled: str | None
    trust_remote_code: bool
    begun: float
    before: float = 0.0
    rungs: dict[str, Rung] = field(default_factory=dict)
    contenders: dict[str, Contender] = field(default_factory=dict)
    parts: dict[str, Side] = field(default_factory=dict)

    def __post_init__(self):
        self.before = self.state.seconds

    @property
    def left(self) -> float:
        """Seconds of --minutes that are left."""
        return 60 * self.state.limits["minutes"] - self.before - (time.monotonic() - self.begun)

    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.left <= 0

    def climb(self, rungs: list[Rung]) -> None:
        """Train the rungs that can pay, then those that read texts without labels, then more seeds of equals."""
        rows = self.part_rows
        for rung in [*rungs, *([from_words_rung(self.folder, self.unlabelled)] if self.unlabelled else [])]:
            if (self.part_folder(rung, rows) / REPORT).is_file():
                self.train_part(rung, rows)
            self.step(rung)
        if not self.contenders:
            name, decision = next(iter(self.state.decisions.items()))
            raise TrainingError(f"there is no model to choose; {name}: {decision.reason}")
        best = self.best()
        ngrams = self.contenders.get(NGRAMS)
        if self.unlabelled and ngrams and best.ms > SAME_COST * ngrams.ms:
            self.step(taught_rung(best.folder, self.unlabelled))
        self.tell_apart()

    def step(self, rung: Rung) -> None:
        """Train a rung, or leave it out; what became of it is saved and printed."""
        self.rungs[rung.name] = rung
        try:
            decision = self.state.decisions[rung.name] = self.decide(rung)
        finally:
            # The time counts, too, if the step was interrupted.
            self.save()
        print(f"{rung.name}: {decision.outcome}, {decision.reason}", flush=True)

    def save(self) -> None:
        """Save the state, with the time that it took so far."""
        self.state.seconds = self.before + time.monotonic() - self.begun
        self.state.save(self.folder)

    def decide(self, rung: Rung) -> Decision:
        """What becomes of a rung."""
        if (self.folder / rung.name / REPORT).is_file():
            return self.trained(rung)
        if not rung.counts and self.contenders and (reason := nothing_to_gain(self.best())):
            return Decision(LEFT_OUT, reason)
        if self.left <= 0:
            return Decision(NO_TIME, f"the {self.state.limits['minutes']:g} minutes are over")
        if rung.pretrained or rung.begins or (not rung.counts and len(self.splits.train) >= FEW_ROWS):
            found = self.foreseen(rung)
            if isinstance(found, str):
                return Decision(FAILED, found)
            untried = self.wants_part(rung, found) and rung.name not in self.parts
            part = SHARE * found.seconds if untried else 0
            if late := self.lacks_time(rung, found.seconds + part):
                return late
            if reason := self.beyond_limits(found.ms, found.bytes / 1e6) or self.looks_hopeless(rung, found):
                return Decision(LEFT_OUT, reason, self.foreseen_numbers(rung))
            # The part may have taken longer than was thought.
            if late := self.lacks_time(rung, found.seconds):
                return late
        if failure := self.make(rung):
            return Decision(NO_TIME if STOPPED in failure else FAILED, failure, self.foreseen_numbers(rung))
        return self.trained(rung)

    def foreseen(self, rung: Rung) -> Foreseen | str:
        """What a rung would cost, with the language model from which it begins; or why it cannot be made."""
        if rung.name in self.state.foreseen:
            return self.state.foreseen[rung.name]
        if not rung.begins:
            found = foresee([*rung.words, *self.data])
        else:
            # The classifier has the sizes of the one that begins with nothing.
            found = self.foreseen(Rung(RECURRENT, ("--model", RECURRENT)))
            before = found if isinstance(found, str) else foresee([*rung.begins, *self.data])
            found = before if isinstance(before, str) else replace(found, seconds=found.seconds + before.seconds)
        if not isinstance(found, str):
            self.state.foreseen[rung.name] = found
        return found

    def lacks_time(self, rung: Rung, seconds: float) -> Decision | None:
        """The decision on a rung that would take so many seconds if they are not left; one that was begun goes on."""
        if seconds <= self.left or (self.folder / rung.name).is_dir():
            return None
        needs = f"it would take about {seconds / 60:.1f} min, and {self.left / 60:.1f} are left"
        return Decision(NO_TIME, needs, self.foreseen_numbers(rung))

    def make(self, rung: Rung) -> str | None:
        """Train a rung, after the language model from which it begins; returns why it is not finished, or None."""
        if rung.begins and (failure := make(planned(rung.begun_in, [*rung.begins, *self.data]), self.is_over)):
            return failure
        share = 60 * self.state.limits["minutes"] * BASELINE_SHARE
        end = max(0, self.left - share) if rung.baseline else 0
        failure = make(planned(self.folder / rung.name, self.words(rung)), lambda: self.left <= end)
        return f"{STOPPED}, after {BASELINE_SHARE:.0%} of the minutes" if failure == STOPPED and end else failure

    def words(self, rung: Rung, *more: str) -> list[str]:
        """The flags of the run of a rung."""
        return [*rung.words, *self.data, *more, *WITHOUT_TEST]

    def beyond_limits(self, ms: float, megabytes: float) -> str | None:
        """Why a rung of such a cost is left out; None if it keeps to the limits."""
        limits = self.state.limits
        if limits["max_ms"] and ms > limits["max_ms"]:
            return f"{ms:.1f} ms for a text are more than --max_ms {limits['max_ms']:g}"
        if limits["max_mb"] and megabytes > limits["max_mb"]:
            return f"{megabytes:,.1f} MB are more than --max_mb {limits['max_mb']:g}"
        return None

    def wants_part(self, rung: Rung, found: Foreseen) -> bool:
        """Whether a rung would take long, so that it is first trained on a part of the rows.

        Of one that begins as a language model, most of the time is that of its words, whatever the rows.
        """
        return found.seconds >= LONG and self.part_rows >= LEAST_ROWS and bool(self.contenders) and not rung.begins

    def looks_hopeless(self, rung: Rung, found: Foreseen) -> str | None:
        """Train a rung that would take long on a part of the rows; the reason if it cannot become the best."""
        if not self.wants_part(rung, found):
            return None
        for one in (Rung(NGRAMS, ("--model", NGRAMS)), rung):
            if one.name not in self.parts:
                self.train_part(one, self.part_rows)
        if rung.name not in self.parts:
            return None
        both = self.contenders.keys() & self.parts.keys()
        gains = [gained(self.contenders[name], self.parts[name]) for name in both]
        return hopeless(self.parts[rung.name], self.best(), gains, SHARE)

    @property
    def part_rows(self) -> int:
        """The rows of the part of train."""
        return round(SHARE * len(self.splits.train))

    def part_folder(self, rung: Rung, rows: int) -> Path:
        """The folder of a rung that is trained on so many rows."""
        return self.folder / f"{rung.name}-{rows}rows"

    def train_part(self, rung: Rung, rows: int) -> None:
        """Train a rung on so many rows; one that fails there has no part."""
        folder = self.part_folder(rung, rows)
        words = self.words(rung, "--max_train_samples", str(rows))
        if (folder / REPORT).is_file() or make(planned(folder, words), self.is_over) is None:
            self.parts[rung.name] = side_of([folder], self.splits.task.labels)

    def trained(self, rung: Rung) -> Decision:
        """What is said of a trained rung, which becomes a contender unless it is beyond a limit."""
        folders = [self.folder / rung.name, *(self.folder / f"{rung.name}-seed{seed}" for seed in MORE_SEEDS)]
        try:
            found = self.contender(rung.name, [folder for folder in folders if (folder / REPORT).is_file()])
        except TrainingError as error:
            return Decision(FAILED, str(error), self.foreseen_numbers(rung))
        numbers = self.foreseen_numbers(rung) | {"validation": found.score, "seeds": found.seeds}
        numbers |= {"seconds": found.seconds, "ms": found.ms, "megabytes": found.megabytes}
        seeds = f" over {found.seeds} seeds" if found.seeds > 1 else ""
        cost = f"{found.seconds:.0f} s, {found.ms:.1f} ms for a text, {found.megabytes:,.1f} MB"
        what = f"{found.side.task.ranking.brief(found.score)} on validation{seeds}, {cost}"
        if reason := self.beyond_limits(found.ms, found.megabytes):
            return Decision(LEFT_OUT, f"{what}: {reason}", numbers)
        self.contenders[rung.name] = found
        return Decision(TRAINED, what, numbers)

    def foreseen_numbers(self, rung: Rung) -> dict:
        """What the training of a rung was thought to cost, if that was asked."""
        found = self.state.foreseen.get(rung.name)
        return {"foreseen": asdict(found)} if found else {}

    def contender(self, name: str, folders: list[Path]) -> Contender:
        """The model of these runs, whose speed is measured if it was not."""
        if not is_measured_here(folders[0]):
            measure_speed(folders[0], self.splits.validation, self.trust_remote_code)
        return contender(name, folders, self.splits.task.labels)

    def best(self) -> Contender:
        """The best model so far, by validation."""
        return best_first(list(self.contenders.values()))[0]

    def tell_apart(self) -> None:
        """Train further seeds of the networks from the best to the one that would be taken, while there is time."""
        for seed in MORE_SEEDS:
            found = best_first(list(self.contenders.values()))
            last = take(found).contender
            for one in found[: found.index(last) + 1]:
                rung, folder = self.rungs[one.name], self.folder / f"{one.name}-seed{seed}"
                if one.kind == "baseline" or (folder / REPORT).is_file() or one.seconds > self.left:
                    continue
                words = self.words(rung, "--seed", str(seed))
                if make(planned(folder, words), self.is_over) is None:
                    self.step(rung)

    def scored_on_test(self, one: Contender) -> Report:
        """The report of the first seed of a model, with test; raises TrainingError if that cannot be scored."""
        run = planned(one.folder, [*self.rungs[one.name].words, *self.data])
        if failure := make(run):
            raise TrainingError(f"{one.name} could not be scored on test: {failure} ({log_path(run)})")
        return Report.load(one.folder)

    def about_rows(self) -> list[str]:
        """The sentence on what more labels would bring, if that was asked."""
        if NGRAMS not in self.contenders or NGRAMS not in self.parts:
            return []
        whole, part, ranking = self.contenders[NGRAMS], self.parts[NGRAMS], self.splits.task.ranking
        gain, score = gained(whole, part) / math.log2(1 / SHARE), ranking.brief(float(part.terms.mean()))
        what = f"about {ranking.distance(gain)} for twice as many" if gain > 0 else "nothing that validation shows"
        return [f"{NGRAMS} has {score} with {SHARE:.0%} of the rows: more labels brought {what}."]

    def about_left_out(self) -> list[str]:
        """The sentence on the models for which there was no time."""
        wanting = [name for name, one in self.state.decisions.items() if one.outcome == NO_TIME]
        if not wanting:
            return []
        return [f"There was no time for {listed(wanting)}; the same command with more --minutes goes on from here."]
