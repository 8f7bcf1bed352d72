"""A finished run that did not score test scores it when it is asked to: with what was trained, as if at once."""

import pyarrow.parquet as pq
import pytest
from helpers import flags, read_report, save_bert, write_data

from sentiment_hf.cli import compare_command, run_command
from sentiment_hf.common.layout import PREDICTIONS, REPORT
from sentiment_hf.comparison.plan.flags import parse_compare
from sentiment_hf.comparison.plan.plan import plan

WITHOUT = ("--do_train", "--do_eval")
# What counts the time and the memory of a process, or names its command.
OF_A_PROCESS = ("seconds", "total_seconds", "train_seconds", "train_tokens_per_second", "train_texts_per_second")
OF_A_PROCESS += ("command", "peak_memory_bytes", "run_memory_bytes", "search")

SMALL = "--model_config embedding_size=8 hidden_size=8 --max_steps 5"
LORA = ("--tuning", "lora", "--lora_target_modules", "query", "value")
KINDS = {
    "network": {"model": "custom-gru"},
    "adapter": {"model": "bert", "settings": (), "more": LORA},
    "baseline": {"model": "baseline-nb-svm"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write_data(tmp_path_factory.mktemp("data"), train=60, validation=30, test=40)
    save_bert(folder / "bert", folder)
    return folder


def words_of(kind, data, folder, *more):
    """The flags of a run of a kind."""
    chosen = dict(KINDS[kind])
    if kind == "baseline":
        files = [f"--{part}_file={data / f'{part}.csv'}" for part in ("train", "validation", "test")]
        return ["--model", chosen["model"], *files, "--output_dir", str(folder), *more]
    model = data / "bert" if chosen["model"] == "bert" else chosen["model"]
    extra = {"settings": chosen["settings"]} if "settings" in chosen else {}
    return flags(data, folder, *chosen.get("more", ()), *more, model=model, **extra)


def saved(folder):
    """{name: bytes} of the files of the model."""
    names = ("*.safetensors", "model.skops", "config.json", "conformal.json")
    return {path.name: path.read_bytes() for name in names for path in folder.glob(name)}


@pytest.mark.parametrize("kind", KINDS)
def test_test_is_scored_later_as_it_would_have_been_at_once(kind, data, tmp_path, caplog):
    assert run_command(words_of(kind, data, tmp_path / "once")) == 0
    assert run_command(words_of(kind, data, tmp_path / "later", *WITHOUT)) == 0
    later = read_report(tmp_path / "later")
    assert "test" not in later
    assert not (tmp_path / "later" / PREDICTIONS["test"]).exists()
    before = saved(tmp_path / "later")

    assert run_command(words_of(kind, data, tmp_path / "later")) == 0
    assert "test is scored now" in caplog.text
    assert saved(tmp_path / "later") == before
    once, later = (read_report(tmp_path / name) for name in ("once", "later"))
    for name in OF_A_PROCESS:
        later.pop(name, None), once.pop(name, None)
    assert_close(later, once)
    tables = [pq.read_table(tmp_path / name / PREDICTIONS["test"]).to_pandas() for name in ("once", "later")]
    assert abs(tables[0].filter(like="probability") - tables[1].filter(like="probability")).to_numpy().max() < 2e-3
    if kind != "baseline":
        cards = [(tmp_path / name / "README.md").read_text() for name in ("once", "later")]
        results = [card[card.index("## Results") :].split("## ")[1] for card in cards]
        assert results[0] == results[1]


def assert_close(found, expected):
    """Raise AssertionError unless both are equal up to what rounding changes."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_close(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    else:
        assert found == (pytest.approx(expected, rel=1e-3, abs=1e-4) if isinstance(expected, float) else expected)


def test_a_run_with_test_is_finished_for_the_command_without(data, tmp_path, caplog):
    assert run_command(words_of("network", data, tmp_path / "run")) == 0
    before = (tmp_path / "run" / REPORT).read_bytes()
    assert run_command(words_of("network", data, tmp_path / "run", *WITHOUT)) == 0
    assert "holds this run already, finished" in caplog.text
    assert (tmp_path / "run" / REPORT).read_bytes() == before


def test_compare_completes_a_run_that_did_not_score_test(data, tmp_path):
    files = [f"--{part}_file={data / f'{part}.csv'}" for part in ("train", "validation", "test")]
    argv = ["--models", f"custom-fc {SMALL}", "--seeds", "1", "--output_dir", str(tmp_path / "out"), *files]
    (planned,) = plan(parse_compare(argv))[0]
    assert run_command([*planned.argv, *WITHOUT]) == 0
    assert compare_command(argv) == 0
    assert read_report(tmp_path / "out" / "custom-fc-seed0")["test"]["rows"] == 40


def test_a_finished_language_model_has_no_test_to_score(data, tmp_path, caplog):
    words = [*words_of("network", data, tmp_path / "run"), "--objective", "words"]
    assert run_command(words) == 0
    before = (tmp_path / "run" / REPORT).read_bytes()
    assert run_command(words) == 0
    assert "holds this run already, finished" in caplog.text
    assert (tmp_path / "run" / REPORT).read_bytes() == before


def test_a_model_that_was_only_scored_on_validation_is_another_run(data, tmp_path, capsys):
    assert run_command(words_of("network", data, tmp_path / "run")) == 0
    scored = flags(data, tmp_path / "scored", "--do_eval", model=tmp_path / "run", settings=())
    assert run_command(scored) == 0
    assert run_command([*scored, "--do_predict"]) == 2
    assert "holds another run (do_predict: False there, True here)" in capsys.readouterr().err
