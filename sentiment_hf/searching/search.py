"""Makes the trials of a search, each an ordinary run, and goes on with a search that was interrupted."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import optuna
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from transformers import AutoConfig

from sentiment_hf.common.errors import InputError, TrainingError, suggestion
from sentiment_hf.common.files import atomic_write, write_text
from sentiment_hf.common.layout import HISTORY, REPORT
from sentiment_hf.comparison.plan.one_run import WITHOUT_TEST, make, planned
from sentiment_hf.comparison.plan.side_by_side import log_path
from sentiment_hf.runs.identity import NEUTRAL_SETTINGS
from sentiment_hf.runs.report import Report
from sentiment_hf.searching.space import OF_MODEL, Space, as_flags
from sentiment_hf.settings.arguments import DataArguments, RunSpec
from sentiment_hf.settings.parser import read_command_line, run_flags
from sentiment_hf.settings.recipes import Value, join_settings, read_yaml
from sentiment_hf.tasks.task import Score

logger = logging.getLogger(__name__)

JOURNAL, BEST = "study.journal", "best.yaml"
# Trials that are drawn at random, and trials without which none is stopped early.
AT_RANDOM, BEFORE_PRUNING = 5, 4
# The first validation after which a trial may be stopped.
FIRST_STOP = 2
OF_THE_DATA = {field.name for field in fields(DataArguments)}
# Why a trial has no score; without a reason it was interrupted, and is made again.
REASON = "reason"


@dataclass
class Search:
    """A search in `folder`.

    words: flags of the run that all trials share, of which --model is the first. spec: the run of the recipe.
    recipe: the values that it has for the settings of the space, those alone that the space holds.
    """

    folder: Path
    words: list[str]
    spec: RunSpec
    space: Space
    recipe: dict[str, Value]
    ranking: Score
    study: optuna.Study

    def trials(self) -> list[FrozenTrial]:
        """The trials that ended: with a score, stopped early, or failed."""
        ended = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
        return [trial for trial in ended if trial.state is not TrialState.FAIL or REASON in trial.user_attrs]

    def folder_of(self, values: dict[str, Value]) -> Path:
        """The folder of the run with these values, which a trial that is made again finds."""
        name = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
        return self.folder / f"trial-{name}"

    def begin(self) -> None:
        """Queue the recipe, or the trials that an interruption left without an end."""
        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            # In this order: killed between the two, a trial is made twice, and not lost.
            self.study.enqueue_trial(trial.params)
            self.study.tell(trial.number, state=TrialState.FAIL)
        if not self.study.get_trials(deepcopy=False):
            self.study.enqueue_trial(self.recipe)

    @property
    def begins_with_recipe(self) -> bool:
        """Whether the first trial is the recipe: the space holds all of its values."""
        return self.recipe.keys() == self.space.keys()

    def make_trials(self, number: int) -> None:
        """Make trials until so many have ended; raises Interrupted if a signal came."""
        self.begin()
        while (ended := len(self.trials())) < number:
            trial = self.study.ask()
            for name, dimension in self.space.items():
                dimension.suggest(trial, name)
            print(f"[{ended + 1}/{number}] {in_words(trial.params)} ...", end=" ", flush=True)
            print(self.make_trial(trial), flush=True)
            self.delete_worse()

    def make_trial(self, trial: Trial) -> str:
        """Make the run of a trial; returns how it ended."""
        values = trial.params
        folder = self.folder_of(values)
        watch = Watch(folder / HISTORY, f"eval_{self.ranking.key}", trial)
        run = planned(folder, [*self.words, *as_flags(values), *WITHOUT_TEST])
        failure = None if (folder / REPORT).is_file() else make(run, watch.should_stop)
        if failure and watch.pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
            return f"stopped early, {self.ranking.brief(watch.last)} at its validation {watch.count}"
        if failure:
            trial.set_user_attr(REASON, failure)
            self.study.tell(trial, state=TrialState.FAIL)
            return f"failed: {failure} ({log_path(run)})"
        score = Report.load(folder).validation[self.ranking.key]
        self.study.tell(trial, score)
        return f"validation {self.ranking.shown(score)}"

    def delete_worse(self) -> None:
        """Delete the runs of the trials that ended without being the best: their weights would fill the disk."""
        ended = self.trials()
        kept = {self.folder_of(self.best().params)} if self.scored() else set()
        for folder in {self.folder_of(trial.params) for trial in ended} - kept:
            shutil.rmtree(folder, ignore_errors=True)

    def scored(self) -> list[FrozenTrial]:
        """The trials that ended with a score."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def best(self) -> FrozenTrial:
        """The trial with the best validation score; raises TrainingError if no trial has one."""
        if not self.scored():
            reasons = [trial.user_attrs[REASON] for trial in self.trials() if REASON in trial.user_attrs]
            raise TrainingError(f"no trial ended with a score; the first: {reasons[0]}")
        return self.study.best_trial

    def score_best(self) -> Report:
        """The report of the best trial, whose test is scored, and its settings as a recipe in best.yaml."""
        values = self.best().params
        folder = self.folder_of(values)
        run = planned(folder, [*self.words, *as_flags(values)])
        report = Report.load(folder)
        if report.test is None and (failure := make(run)):
            raise TrainingError(f"the best trial could not be scored on test: {failure} ({log_path(run)})")
        write_recipe(self.folder / BEST, self.spec, self.words, values)
        return Report.load(folder)


class Watch:
    """Tells a trial of the validation scores of its run, as they come, and whether the run is to be stopped."""

    def __init__(self, history: Path, key: str, trial: Trial):
        self.history, self.key, self.trial = history, key, trial
        self.size, self.count, self.last, self.pruned = 0, 0, 0.0, False

    def should_stop(self) -> bool:
        """Whether the run is worse, after as many validations, than half of those before it."""
        size = self.history.stat().st_size if self.history.is_file() else 0
        if size == self.size:
            return False
        self.size = size
        scores = list(self.scores())
        for step, score in enumerate(scores[self.count :], self.count + 1):
            self.trial.report(score, step)
            self.last = score
        self.count = len(scores)
        self.pruned = bool(scores) and self.trial.should_prune()
        return self.pruned

    def scores(self) -> Iterator[float]:
        """The validation scores so far; a line that is being written has no line break yet."""
        for line in self.history.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n") and self.key in (found := json.loads(line)):
                yield found[self.key]


def open_study(folder: Path, seed: int, ranking: Score) -> optuna.Study:
    """The study in the folder, new or as far as it came; raises InputError if its journal is damaged."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / JOURNAL
    drop_half_line(file)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=BEFORE_PRUNING, n_warmup_steps=FIRST_STOP)
    known = {"study_name": "tune", "pruner": pruner}
    try:
        known["storage"] = JournalStorage(JournalFileBackend(str(file)))
        if known["storage"].get_all_studies():
            study = optuna.load_study(**known)
        else:
            study = optuna.create_study(direction="maximize" if ranking.more_is_better else "minimize", **known)
        begun = len(study.get_trials(deepcopy=False))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged ({error!r:.80}); choose another --output_dir") from error
    # With the same seed at each start the draws of the first start would come again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + begun, n_startup_trials=AT_RANDOM)
    return study


def drop_half_line(journal: Path) -> None:
    """Drop the last line of a journal if the machine stopped while it was written: what it said is done again."""
    content = journal.read_bytes() if journal.is_file() else b""
    if content and not content.endswith(b"\n"):
        logger.warning("%s ends within a line, which is left out", journal)
        with atomic_write(journal) as temporary:
            temporary.write_bytes(content[: content.rfind(b"\n") + 1])


def recipe_values(spec: RunSpec, space: Space) -> dict[str, Value]:
    """The values that the recipe has for the settings of the space, without those that the space does not hold.

    Raises InputError for a setting that the model does not have.
    """
    of_flags = spec.values()
    of_model = {name: yaml.safe_load(value) for name, value in settings_of(spec.new_model.model_config).items()}
    found = {}
    for name in space:
        own = name.removeprefix(f"{OF_MODEL}.")
        if own == name:
            found[name] = of_flags[name]
        elif own in of_model:
            found[name] = of_model[own]
        elif hasattr(config := AutoConfig.for_model(spec.model.name), own):
            found[name] = getattr(config, own)
        else:
            raise InputError(f"--space: {spec.model.name} has no setting {own!r}{suggestion(own, vars(config))}")
    if outside := {name: value for name, value in found.items() if value not in space[name]}:
        logger.warning(
            "the recipe has %s, which the space has not, so the first trial is not the recipe", in_words(outside)
        )
    # As the study saves them: it makes 0.0 of a 0 that is drawn from numbers.
    return {name: space[name].as_drawn(value) for name, value in found.items() if name not in outside}


def settings_of(model_config: Sequence[str] | None) -> dict[str, str]:
    """["hidden_size=64"] -> {"hidden_size": "64"}"""
    return dict(setting.split("=", 1) for setting in model_config or [])


def write_recipe(file: Path, spec: RunSpec, words: Sequence[str], values: dict[str, Value]) -> None:
    """Write the recipe of a model with the flags of the user, those of the data left out, and these values."""
    recipe = read_yaml(Path(spec.run.config)) if spec.run.config else {}
    given = read_command_line(words, run_flags())
    given = {name: value for name, value in given.items() if name not in OF_THE_DATA and name not in NEUTRAL_SETTINGS}
    of_flags = {name: value for name, value in values.items() if not name.startswith(f"{OF_MODEL}.")}
    own = as_flags({name: value for name, value in values.items() if name not in of_flags})[1:]
    of_model = join_settings(spec.new_model.model_config or [], own)
    content = {"model": spec.model.name} | recipe | given | of_flags
    content = {name: value for name, value in content.items() if name not in ("model_name_or_path", OF_MODEL, "help")}
    content |= {OF_MODEL: of_model} if of_model else {}
    head = f"# accelerate launch scripts/run.py --config {file.name}"
    write_text(file, f"{head}\n{yaml.safe_dump(content, sort_keys=False)}")


def in_words(values: dict[str, Value]) -> str:
    """The values as text: learning_rate 0.0021, dropout 0.42"""
    said = {name.removeprefix(f"{OF_MODEL}."): value for name, value in values.items()}
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in said.items()
    )
