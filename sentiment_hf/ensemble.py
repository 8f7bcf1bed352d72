"""Several finished runs as one classifier: by vote, by the mean, or by weights learned on validation."""

import argparse
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from sentiment_hf.checkpoints import fingerprint, write_json
from sentiment_hf.compare.published import Scored
from sentiment_hf.compare.runs import Run, load_runs, size_of
from sentiment_hf.compare.statistics import SMALLEST
from sentiment_hf.errors import FlagParser, InputError
from sentiment_hf.folder import INFERENCE, REPLACE, REPORT, fingerprint_of, read_json
from sentiment_hf.metrics import full_scores
from sentiment_hf.report import PREDICTIONS, command, environment, table, write_predictions

logger = logging.getLogger(__name__)

ENSEMBLE_FILE = "ensemble.json"
METHODS = ("weights", "mean", "vote")

# What the members must have in common for their ensemble to have it too.
OF_ALL = ("dataset", "dataset_id", "labels", "duplicates", "data", "data_hash", "test_hash")


@dataclass(frozen=True, eq=False)
class Ensemble:
    """How the members count.

    labels: names of the classes in the order of their ids.
    folders: those of the members.
    weights: (members,) not negative, summing to 1; all the same unless the method is "weights".
    """

    method: str
    labels: list[str]
    folders: list[Path]
    weights: np.ndarray

    def combine(self, probabilities: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """(members, rows, classes) probabilities, (members, rows) class ids -> (rows, classes) probabilities.

        A vote gives each class its share of the votes, with the mean of the probabilities as one vote more: it makes
        up for no vote, but settles a tie, and says how sure those are who are of one mind.
        """
        pooled = np.tensordot(self.weights, probabilities, axes=1)
        if self.method != "vote":
            return pooled
        votes = np.eye(len(self.labels))[predictions].sum(axis=0)
        return (votes + pooled) / (len(self.folders) + 1)


def ensemble_main(argv: Sequence[str]) -> None:
    """Make an ensemble, or show the one that is there."""
    args = parse(argv)
    report = make_ensemble(args.folders, args.output_dir, args.method, args.overwrite)
    print(f"{table(report)}\nmembers, by {report['recipe']}:")
    for member in report["members"]:
        print(f"{member['weight']:6.3f}  {member['name']}")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The flags of ensemble."""
    parser = FlagParser(prog="sentiment-hf ensemble", description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="output folders of finished runs, two or more")
    parser.add_argument("--output_dir", help="default: out/<dataset>/ensemble")
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="weights",
        help="weights: the mean of the probabilities with weights learned on validation (default); mean: the plain "
        "mean; vote: the class that most members predict, of several the one with the highest mean probability",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another ensemble in the output folder")
    return parser.parse_intermixed_args(argv)


def make_ensemble(folders: Sequence[str | Path], output_dir: str | None, method: str, overwrite: bool) -> dict:
    """Combine the saved predictions of finished runs; an ensemble that is there already only reports.

    Returns:
        The report, as written to report.json in the output folder.

    Raises:
        InputError: runs that cannot be combined, or a folder that holds something else.
    """
    members = load_runs(folders)
    folder = Path(output_dir or Path("out", members[0].report["dataset"], "ensemble"))
    refuse_members(members, folder)
    # By resolved paths, for .. behind a link is not where the folder with the link is.
    paths = [os.path.relpath(member.folder.resolve(), folder.resolve()) for member in members]
    reports = [fingerprint(member.folder / REPORT)["sha256"] for member in members]
    identity = {"method": method, "members": dict(zip(paths, reports, strict=True))}
    if report := finished_report(folder, identity, overwrite):
        logger.warning("%s holds this ensemble already; its result:", folder)
        return report
    validation = validation_of(members)
    weights = learned_weights(validation) if method == "weights" else np.full(len(members), 1 / len(members))
    ensemble = Ensemble(method, members[0].classes, [member.folder for member in members], weights)
    listed = [
        {"folder": path, "name": member.name, "weight": weight}
        for path, member, weight in zip(paths, members, weights.tolist(), strict=True)
    ]
    facts = describe(members, method) | {"fingerprint": fingerprint_of(identity), "members": listed}
    clear(folder)
    write_json(folder / ENSEMBLE_FILE, {"labels": ensemble.labels, **identity, "weights": weights.tolist()})
    return evaluate(ensemble, members, folder, facts)


def refuse_members(members: list[Run], folder: Path) -> None:
    """Two run folders or more, on the same training rows, and none of them where the ensemble is to be."""
    if len(members) < 2:
        raise InputError(f"an ensemble is made of two finished runs or more, and only {members[0].folder} is named")
    for member in members:
        if not (member.folder / REPORT).is_file():
            raise InputError(
                f"{member.folder} is published without its weights, so it cannot classify; name the folders of runs"
            )
        if member.folder.resolve() == folder.resolve():
            raise InputError(f"--output_dir {folder} is one of the members; leave it out, or choose another folder")
        if member.tuning == "none":
            raise InputError(f"{member.folder} only scored a checkpoint and holds no model; train it, or leave it out")
        if member.train_rows != members[0].train_rows:
            raise InputError(
                f"{members[0].folder} was trained on {members[0].train_rows:,} rows, {member.folder} on "
                f"{member.train_rows:,}; combine runs on the same rows"
            )


def finished_report(folder: Path, identity: dict, overwrite: bool) -> dict | None:
    """The report where this ensemble is there and not to be replaced; nothing is changed.

    Raises:
        InputError: the folder holds something that is no ensemble, or another ensemble without --overwrite.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    if not is_saved_ensemble(folder):
        raise InputError(f"--output_dir {folder} is not empty and holds no ensemble; choose another folder")
    if overwrite or not (folder / REPORT).is_file():
        return None
    there = read_json(folder / ENSEMBLE_FILE, REPLACE)
    if any(there[name] != identity[name] for name in identity):
        if there["members"].keys() == identity["members"].keys() and there["method"] == identity["method"]:
            reason = "of these members, before one of them was run again"
        else:
            reason = f"by {there['method']}, of {', '.join(there['members'])}"
        raise InputError(
            f"--output_dir {folder} holds another ensemble ({reason}); choose another folder, or give --overwrite"
        )
    return read_json(folder / REPORT, REPLACE)


def validation_of(members: list[Run]) -> list[Scored]:
    """What the members made of the validation rows.

    Raises:
        InputError: a member has not kept it, or has other rows.
    """
    for member in members:
        if member.validation is None:
            name = PREDICTIONS["validation"]
            raise InputError(f"{member.folder} has no {name}, which an ensemble needs; run it again, --overwrite")
        if not np.array_equal(member.validation.labels, members[0].validation.labels):
            raise InputError(
                f"{members[0].folder} and {member.folder} have other validation rows; combine runs on the same split"
            )
    return [member.validation for member in members]


def learned_weights(members: list[Scored]) -> np.ndarray:
    """(members,) weights of the least log-loss on the rows of `members`, not negative and summing to 1.

    The linear opinion pool (Stone 1961): a weighted mean of probabilities. That its log-loss on held-out rows sets the
    weights is stacking (Yao et al. 2018). The loss is convex in the weights, so where the search starts has no say.
    What was itself chosen or calibrated on validation looks somewhat better there than it is, and weighs too much.
    """
    labels, count = members[0].labels, len(members)
    of_label = np.stack([one.probabilities[np.arange(len(labels)), labels] for one in members], axis=1).clip(SMALLEST)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = of_label @ weights
        return -np.log(pooled).mean(), -(of_label / pooled[:, None]).mean(axis=0)

    sum_is_one = {"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like}
    settings = {"method": "SLSQP", "bounds": [(0, 1)] * count, "options": {"ftol": 1e-12, "maxiter": 1000}}
    found = minimize(loss, np.full(count, 1 / count), jac=True, constraints=sum_is_one, **settings)
    if not found.success:
        raise InputError(f"no weights could be learned ({found.message}); combine by --method mean")
    return found.x.clip(0) / found.x.clip(0).sum()


def describe(members: list[Run], method: str) -> dict:
    """What of a report is known of the members; all of them have to be trained, so what that costs adds up.

    The seed is that of all members, or null; null is, besides, what only a single model has.
    """
    reports = [member.report for member in members]
    seeds = {member.seed for member in members}
    sizes = [member.report.get("bytes_on_disk") or size_of(member.folder) for member in members]
    sums = ("parameters", "trainable_parameters", "train_seconds", "train_tokens")
    added = {name: sum(report[name] for report in reports) for name in sums}
    seconds = added["train_seconds"]
    nothing = ("model_revision", "embed_with", "base_model", "license", "train_texts_per_second", "epochs", "steps")
    nothing += ("best_step", "mixed_precision", "max_seq_length", "truncation", "train_texts_at_max_seq_length")
    return {
        "model": "ensemble",
        "model_type": "ensemble",
        "tuning": "ensemble",
        "recipe": method,
        "seed": seeds.pop() if len(seeds) == 1 else None,
        "command": command(),
        **{name: reports[0][name] for name in OF_ALL},
        **added,
        "train_tokens_per_second": added["train_tokens"] / seconds if seconds else None,
        # Where a report alone is kept, nothing is known of it.
        "bytes_on_disk": sum(sizes) if all(sizes) else None,
        "processes": 1,
        "vocabulary": None,
        **dict.fromkeys(nothing),
    }


def clear(folder: Path) -> None:
    """Remove the ensemble that is there, its report first: without one it is not finished."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (REPORT, ENSEMBLE_FILE, INFERENCE, *PREDICTIONS.values()):
        (folder / name).unlink(missing_ok=True)


def evaluate(ensemble: Ensemble, members: list[Run], folder: Path, facts: dict) -> dict:
    """Validation, then test once; writes predictions and, last, report.json."""
    report = dict(facts)
    for part in ("validation", "test"):
        scored: list[Scored] = [getattr(member, part) for member in members]
        probabilities = np.stack([one.probabilities for one in scored])
        predictions = np.stack([one.predictions for one in scored])
        logits = np.log(ensemble.combine(probabilities, predictions).clip(SMALLEST))
        report[part] = full_scores(logits, scored[0].labels, ensemble.labels)
        write_predictions(folder / PREDICTIONS[part], logits, scored[0].labels, ensemble.labels)
    report |= environment()
    # What it takes to have the members, for combining them takes nothing.
    for name in ("threads", "peak_memory_bytes", "peak_gpu_memory_bytes"):
        report[name] = max(member.report[name] for member in members)
    write_json(folder / REPORT, report)
    return report


def is_saved_ensemble(folder: str | Path) -> bool:
    """True for the folder of an ensemble."""
    return (Path(folder) / ENSEMBLE_FILE).is_file()


def load_ensemble(folder: str) -> Ensemble:
    """What was saved there, with members that are as they were when it was made.

    Raises:
        InputError: a member is gone, or was run again.
    """
    home = Path(folder).resolve()
    saved = read_json(home / ENSEMBLE_FILE)
    if not isinstance(saved, dict) or not {"method", "labels", "members", "weights"} <= saved.keys():
        raise InputError(f"{home / ENSEMBLE_FILE} is damaged; make the ensemble again, by `sentiment-hf ensemble`")
    members = {(home / path).resolve(): report for path, report in saved["members"].items()}
    for member, report in members.items():
        if not (member / REPORT).is_file():
            raise InputError(f"the ensemble {folder} needs its member {member}, which is not there: bring it back")
        if fingerprint(member / REPORT)["sha256"] != report:
            raise InputError(
                f"{member} was run again since the ensemble {folder} was made of it; make that again, by "
                "`sentiment-hf ensemble` with --overwrite"
            )
    return Ensemble(saved["method"], saved["labels"], [*members], np.array(saved["weights"]))
