"""The commands as functions, for programs and notebooks: keywords are the flags of the command line.

    import sentiment_hf

    report = sentiment_hf.run(model="custom-lstm", dataset="sample", output_dir="out/lstm")
    comparison = sentiment_hf.compare("out/lstm", "out/nb-svm")
    chosen = sentiment_hf.choose(train_file="reviews.csv", minutes=30)
    best = sentiment_hf.tune(model="custom-gru", trials=20, train_file="reviews.csv")
    scorer = sentiment_hf.load("out/lstm")
    sentiment_hf.predict(scorer, ["A fine film."])
    sentiment_hf.explain("out/lstm", ["A fine film."])
    sentiment_hf.export("out/lstm", int8=True)
    sentiment_hf.push("out/lstm", "me/lstm")

Wrong flags and unusable input raise `InputError`, a failed training `TrainingError`, a failed push `NotPushedError`.
A signal that interrupts the main thread raises `Interrupted`, after a checkpoint was saved.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from sentiment_hf.explaining.explain import Explanation
    from sentiment_hf.inference.abstain import Abstention
    from sentiment_hf.inference.scorer import Inputs, Scorer
    from sentiment_hf.inference.unlike import Unlike
    from sentiment_hf.runs.report import Report

# A notebook without widgets shows progress as text, which needs no warning.
warnings.filterwarnings("ignore", message="IProgress not found")

# Imports are in the functions: `import sentiment_hf` must not cost what torch costs.


@dataclass(frozen=True)
class Comparison:
    """A comparison of finished runs; a notebook shows its page.

    results: the content of results.json. page: the page, report.html.
    """

    results: dict[str, Any]
    page: Path

    @property
    def table(self) -> pd.DataFrame:
        """A row per model, best by validation first, with the columns of results.csv."""
        import pandas as pd

        return pd.read_csv(self.page.with_name("results.csv"))

    def _repr_html_(self) -> str:
        return framed(self.page)


@dataclass(frozen=True)
class Chosen:
    """A model that `choose` took among models, or `tune` among settings; a notebook shows the page.

    folder: the model, a finished run. reasons: why, in sentences. page: choice.html or tune.html.
    """

    folder: Path
    reasons: list[str]
    page: Path

    def __str__(self) -> str:
        return "\n".join([*self.reasons, f"It lies in {self.folder}."])

    def _repr_html_(self) -> str:
        return framed(self.page)


def framed(page: Path) -> str:
    """A page as a frame in a notebook."""
    content = html.escape(page.read_text(encoding="utf-8"))
    return f'<iframe srcdoc="{content}" style="width: 100%; height: 40em; border: 0"></iframe>'


def run(**flags: Any) -> Report:
    """Train, validate and test a model as `sentiment-hf run` does, or resume; a finished run is not made again.

    A list is a flag with several values, a dict one with NAME=VALUE: `model_config={"hidden_size": 64}`. With
    `push_to_hub=True` the run is pushed, too.

    Raises:
        InputError, TrainingError, NotPushedError, Interrupted: as the module says.
    """
    from sentiment_hf.cli.run import make_run, push_run
    from sentiment_hf.common.errors import InputError
    from sentiment_hf.settings.run_flags import parse_run

    spec = parse_run(words_of(flags))
    if spec.run.dry_run:
        raise InputError("dry_run trains nothing, so there is no report: use `sentiment-hf run --dry_run`")
    report = make_run(spec)
    if spec.training["push_to_hub"]:
        push_run(spec, report)
    return report


def compare(*folders: str | Path, **flags: Any) -> Comparison:
    """Compare finished runs in `folders`, or make the runs of `models` first, as `sentiment-hf compare` does.

    Raises:
        InputError, TrainingError, Interrupted: as the module says; after TrainingError the page is there.
    """
    from sentiment_hf.cli.compare import make_comparison, raise_failed

    results, page, _ = make_comparison([*map(str, folders), *words_of(flags)])
    raise_failed(results)
    return Comparison(results, page)


def choose(**flags: Any) -> Chosen:
    """Say which model to take, as `sentiment-hf choose` does; a finished choice is not made again.

    Raises:
        InputError, TrainingError, Interrupted: as the module says.
    """
    from sentiment_hf.cli.choose import PAGE, make_choice

    climb = make_choice(words_of(flags))
    return Chosen(climb.folder / climb.state.chosen, climb.state.reasons, climb.folder / PAGE)


def tune(**flags: Any) -> Chosen:
    """Search the settings of a model, as `sentiment-hf tune` does; trials that were made are not made again.

    Raises:
        InputError, TrainingError, Interrupted: as the module says.
    """
    from sentiment_hf.cli.tune import make_search

    search, found, page = make_search(words_of(flags))
    return Chosen(search.folder_of(search.best().params), found.reasons, page)


def load(folder: str | Path, *, model_revision: str = "main", trust_remote_code: bool = False) -> Scorer:
    """The model of a finished run, a checkpoint, an adapter, a baseline, an ensemble or a Hub id, ready to classify.

    Raises InputError if it cannot be loaded.
    """
    from sentiment_hf.inference.scorer import load_scorer
    from sentiment_hf.settings.model_ref import ModelRef

    trust = {"revision": model_revision, "trust_remote_code": trust_remote_code}
    return load_scorer(ModelRef.parse(str(folder), flag="model", **trust))


def predict(
    model: Scorer | str | Path,
    texts: Sequence[str],
    batch_size: int = 64,
    columns: Mapping[str, Sequence] | None = None,
    *,
    abstain: float | None = None,
    abstain_per_class: bool = False,
    flag_unlike: bool = False,
) -> list[dict[str, Any]]:
    """{"label": name, "score": its probability, "scores": {name: probability}} for each text, in their order.

    A model of several labels gives {"labels": names, "scores": {name: probability}}, a regression {"value": number}.
    Of ordered classes that are numbers there is "expected_value", too.

    `model` is what `load` returns, or what it takes. `columns` are those that it was trained with beside the text, by
    name a value per text, None for a missing one: {"price": [3, None]}. Without them all count as missing.

    `abstain=0.95` adds "set", names of classes that hold the right one with this certainty (`abstain_per_class`: for
    the texts of each class), and "abstained", whether they are not exactly one; to a regression "low" and "high".
    `flag_unlike` adds "unlike": what is unusual about a text beside those of validation, or None. For both `model` is
    a folder or a Hub id.

    Raises InputError: the model cannot be loaded, or fails on a text; `texts` is one string, or holds another type;
        `columns` are not those of the model, or have another number of values; it cannot abstain, or does not know
        what its texts look like.
    """
    require_texts(texts, "predict")
    scorer = load(model) if isinstance(model, str | Path) else model
    inputs = list(texts) if columns is None else rows_with(scorer, texts, columns)
    extras = extras_of(model, scorer, abstain, abstain_per_class, flag_unlike)
    probabilities = scorer.classify(inputs, batch_size)
    answers = scorer.task.as_objects(probabilities)
    for extra in extras:
        added = extra.objects(scorer.as_trained(inputs), probabilities)
        answers = [answer | more for answer, more in zip(answers, added, strict=True)]
    return answers


def extras_of(
    model: Scorer | str | Path, scorer: Scorer, abstain: float | None, per_class: bool, flag_unlike: bool
) -> list[Abstention | Unlike]:
    """What adds to answers; raises InputError as those that load it, or if `model` is no folder and no Hub id."""
    from sentiment_hf.common.errors import InputError
    from sentiment_hf.inference.abstain import load_abstention
    from sentiment_hf.inference.unlike import load_unlike
    from sentiment_hf.settings.model_ref import ModelRef

    asked = [name for name, given in {"abstain": abstain is not None, "flag_unlike": flag_unlike}.items() if given]
    if not asked:
        return []
    if not isinstance(model, str | Path):
        raise InputError(f"{asked[0]}: give the folder of the model, where its run left what it needs, or its Hub id")
    ref = ModelRef.parse(str(model), flag="model")
    found = [load_abstention(ref, scorer, abstain, per_class)] if abstain is not None else []
    return [*found, *([load_unlike(ref)] if flag_unlike else [])]


def explain(
    folder: str | Path,
    texts: Sequence[str],
    method: str | None = None,
    columns: Mapping[str, Sequence] | None = None,
    *,
    model_revision: str = "main",
    trust_remote_code: bool = False,
) -> list[Explanation]:
    """Which words of each text speak for and against what a model says, as `sentiment-hf explain` does.

    `folder` is what `load` takes, and `columns` are those of `predict`. `method` is exact, integrated-gradients,
    coefficients or deletion; by default the best that applies to the model.

    Raises InputError: the model cannot be loaded, or fails on a text; the method does not apply to it, or was measured
        and is no better than random words; `texts` or `columns` are not those of `predict`.
    """
    from sentiment_hf.explaining.explain import load_explainer
    from sentiment_hf.settings.model_ref import ModelRef

    require_texts(texts, "explain")
    trust = {"revision": model_revision, "trust_remote_code": trust_remote_code}
    explainer = load_explainer(ModelRef.parse(str(folder), flag="folder", **trust), method)
    return explainer.explain(list(texts) if columns is None else rows_with(explainer.scorer, texts, columns))


def require_texts(texts: Sequence[str], function: str) -> None:
    """Raise InputError for anything else than a list of strings."""
    from sentiment_hf.common.errors import InputError

    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"texts: expected a list of strings, as in {function}(model, ['A fine film.'])")


def rows_with(scorer: Scorer, texts: Sequence[str], columns: Mapping[str, Sequence]) -> Inputs:
    """The texts with the columns beside them as the model reads them; raises InputError as `predict`."""
    import pyarrow as pa

    from sentiment_hf.common.errors import InputError
    from sentiment_hf.data.table import Table

    if not scorer.extra_column_names:
        raise InputError("columns: the model reads the text alone; leave them out")
    for name, cells in columns.items():
        if isinstance(cells, str) or len(cells) != len(texts):
            raise InputError(f"columns: {name!r} is to have a value for each of the {len(texts)} texts")
    cells = {name: list(values) for name, values in columns.items()}
    table = Table("columns", cells, lambda index: f"columns, text {index + 1}")
    return scorer.rows_of(table, pa.chunked_array([pa.array(texts, pa.large_string())]))


def export(folder: str | Path, **flags: Any) -> Path:
    """Write a finished model as an ONNX graph as `sentiment-hf export` does; returns the folder.

    Raises InputError: it cannot be exported, or there is something in the output folder.
    """
    from sentiment_hf.cli.export import export_parsed, parse_export

    return export_parsed(parse_export([str(folder), *words_of(flags)])).folder


def push(folder: str | Path, hub_model_id: str, **flags: Any) -> str:
    """Push a finished run as `sentiment-hf push` does; returns its address, not that of its Space.

    Raises:
        InputError: it is no finished run. NotPushedError: the Hub refused or did not answer.
    """
    from sentiment_hf.cli.push import parse_push, push_parsed

    words = words_of({"hub_model_id": hub_model_id} | flags)
    return push_parsed(parse_push([str(folder), *words]))[0]


def words_of(flags: Mapping[str, Any]) -> list[str]:
    """The words of a command line: {"max_steps": 3, "bf16": True} -> --max_steps 3 --bf16. None is no flag."""
    words = []
    for name, value in flags.items():
        if value is None:
            continue
        words.append(f"--{name}")
        if isinstance(value, Mapping):
            words += [f"{key}={one}" for key, one in value.items()]
        elif isinstance(value, Iterable) and not isinstance(value, str):
            words += map(str, value)
        elif value is not True:
            words.append("false" if value is False else str(value))
    return words
