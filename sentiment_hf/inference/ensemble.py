"""A saved ensemble: its members, their weights, and how their probabilities are combined."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, size_and_hash
from sentiment_hf.common.layout import ENSEMBLE_FILE, REPORT
from sentiment_hf.runs.report import Report
from sentiment_hf.tasks.saved import task_named
from sentiment_hf.tasks.task import Task
from sentiment_hf.tasks.terms import SUREST


@dataclass(frozen=True, eq=False)
class Ensemble:
    """How the predictions of the members are combined.

    method: "weights", "mean" or "vote".
    task: the common task of the members, with the labels in the order of the first member.
    folders: the run folders of the members.
    weights: (members,) not negative; equal with the sum 1 unless the method is "weights". (rows, members) if each row
        has weights of its own.
    of_logits: whether weights are those of logits; older versions weighed probabilities.
    """

    method: str
    task: Task
    folders: list[Path]
    weights: np.ndarray
    of_logits: bool = True

    def combine(self, probabilities: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """(members, rows, outputs) probabilities, (members, rows) predictions -> (rows, outputs) probabilities.

        Method "weights": the probabilities of the weighted sum of the logits of the members.

        Method "mean": the mean of their probabilities.

        Method "vote": (votes + mean probability) / (members + 1) for each class. The mean probability is at most 1, so
        it cannot change which class has most votes. It decides between classes with equally many votes.
        """
        if self.method == "weights" and self.of_logits:
            logits = self.task.logits(probabilities, SUREST)
            return self.task.probabilities(np.einsum("...m,m...o->...o", self.weights, logits))
        pooled = np.einsum("...m,m...o->...o", self.weights, probabilities)
        if self.method != "vote":
            return pooled
        votes = self.task.certain(predictions).sum(axis=0)
        return (votes + pooled) / (len(self.folders) + 1)


def load_ensemble(folder: Path) -> Ensemble:
    """Load the ensemble in `folder` and check that its members are unchanged.

    Raises:
        InputError: ensemble.json is damaged, or a member is missing or was run again since.
    """
    home = folder.resolve()
    saved = read_json(home / ENSEMBLE_FILE)
    complete = {"method", "labels", "members", "weights"} <= saved.keys()
    if (
        not complete
        or not isinstance(saved["members"], dict)
        or len(saved["members"]) != len(saved["weights"])
        or not saved["members"]
    ):
        raise InputError(f"{home / ENSEMBLE_FILE} is damaged; make the ensemble again, by `sentiment-hf ensemble`")
    members = {(home / path).resolve(): report for path, report in saved["members"].items()}
    for member, report in members.items():
        if not (member / REPORT).is_file():
            raise InputError(f"the ensemble {folder} needs its member {member}, which is not there: bring it back")
        if size_and_hash(member / REPORT)["sha256"] != report:
            raise InputError(
                f"{member} was run again since the ensemble {folder} was made of it; make the ensemble again, by "
                "`sentiment-hf ensemble` with --overwrite"
            )
    first = Report.load(next(iter(members)))
    task = task_named(first.task, saved["labels"], saved.get("task_settings"), home / ENSEMBLE_FILE)
    weights, of_logits = np.array(saved["weights"]), saved.get("weighted") == "logits"
    return Ensemble(saved["method"], task, [*members], weights, of_logits)
