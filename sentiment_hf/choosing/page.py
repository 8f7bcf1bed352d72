"""The page of a choice: what to take and why, what became of each model, and what more labels would bring."""

from pathlib import Path

from matplotlib import style

from sentiment_hf.choosing.contenders import Contender, best_first
from sentiment_hf.choosing.state import State
from sentiment_hf.common.files import write_text
from sentiment_hf.comparison.page.drawing import STYLE, Picture, ScoreAxis
from sentiment_hf.comparison.page.figures import inference_cost_pictures
from sentiment_hf.comparison.page.page import small_page
from sentiment_hf.comparison.statistics.ranking import pareto_front
from sentiment_hf.tasks.task import Task

TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: Path, state: State, contenders: list[Contender], facts: dict) -> None:
    """Write the page. `facts`: rows of each part, data set and machine."""
    task = contenders[0].side.task
    page = small_page(
        TEMPLATES,
        "choice.html.j2",
        state=state,
        rows=table_rows(state, contenders, task),
        pictures=drawn(contenders, task),
        ranking=task.ranking,
        **facts,
    )
    write_text(path, page)


def table_rows(state: State, contenders: list[Contender], task: Task) -> list[dict]:
    """A row for each model, the trained ones first, best first; the others in the order of the ladder."""
    known = {one.name: one for one in best_first(contenders)}
    rows = []
    for name in [*known, *(name for name in state.decisions if name not in known)]:
        decision, one = state.decisions[name], known.get(name)
        row = {"name": name, "decision": decision, "chosen": name == state.chosen, "score": None}
        if one:
            interval = one.entry()["validation"]
            row["score"] = f"{task.ranking.shown(one.score)} ({task.ranking.between(interval)})"
            row |= {"seeds": one.seeds, "ms": one.ms, "megabytes": one.megabytes, "seconds": one.seconds}
        rows.append(row)
    return rows


def drawn(contenders: list[Contender], task: Task) -> list[Picture]:
    """The score on validation against the cost of a text."""
    entries = [one.entry() | {"by_column": {}} for one in contenders]
    costs = {one.name: 1 / one.texts_per_second_one_core for one in contenders}
    comparison = {"models": entries, "pareto": {"inference": pareto_front(entries, costs, task.ranking)}}
    with style.context(["default", STYLE]):
        return inference_cost_pictures(comparison, ScoreAxis(task.ranking))
