"""`--redact`: no file that a run or a later command writes, and no cache, has what was replaced in the texts."""

import io
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers import TINY, read_report, reviews, write_csv

from sentiment_hf import explain, load, predict
from sentiment_hf.api import rows_with
from sentiment_hf.cli import (
    audit_command,
    compare_command,
    ensemble_command,
    explain_command,
    predict_command,
    run_command,
)
from sentiment_hf.common.errors import InputError
from sentiment_hf.data import row_pieces, unpacking
from sentiment_hf.data.splits import load_splits
from sentiment_hf.serving.served import Served, Settings
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.reading import Reading
from sentiment_hf.training import broken_step
from sentiment_hf.training.safe_trainer import SafeTrainer

# Pieces of what stands in the texts; no word, hash or number of a run has one of them by chance.
SECRETS = ("zora", "secretmail", "7946 0958", "4111 1111", "quillhouse", "zzhost")
PERSONAL = "zora@secretmail.example or +44 20 7946 0958 , card 4111 1111 1111 1111"
SITES = ("north https://quillhouse.example/a", "south https://zzhost.example/b")


def contents(folder: Path):
    """(name, all text that can be read out of a file) of each file, out of archives and tables too."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found = path.read_bytes()
            if path.suffix == ".parquet":
                found = repr(pq.read_table(path).to_pydict()).encode()
            elif zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    found = b"".join(map(archive.read, archive.namelist()))
            yield str(path.relative_to(folder)), found.decode("latin-1").lower()


def revealing(folder: Path) -> set[str]:
    """The names of the files with a secret."""
    return {Path(name).name for name, text in contents(folder) if any(secret in text for secret in SECRETS)}


def rows(count: int, seed: int) -> list[tuple]:
    """Reviews whose title and text have personal data, as has a column with the site and one that is not read."""
    found = []
    for number, (text, label) in enumerate(reviews(count, seed)):
        site = SITES[(number // 2) % 2]
        title = f"zora@secretmail.example wrote {number}"
        found.append(
            (title, f"{text} {PERSONAL}" if number % 3 else text, site, f"zora@secretmail.example of {site}", label)
        )
    return found


HEADER = ("title", "text", "site", "note", "label")
COLUMNS = ["--text_column_names", "title,text", "--extra_column_names", "site"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """train, validation and a test part without labels; texts alone."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (part, count) in enumerate({"train": 40, "validation": 16, "test": 20}.items()):
        write_csv(folder / f"{part}.csv", rows(count, seed), HEADER)
    bare = [row[:-1] for row in rows(12, 7)]
    write_csv(folder / "bare.csv", bare, HEADER[:-1])
    write_csv(folder / "alone.csv", [(row[0], f"alone {row[1]}") for row in bare], ("title", "text"))
    return folder


@pytest.fixture(autouse=True)
def no_file_is_too_small_for_the_cache(monkeypatch):
    monkeypatch.setattr(row_pieces, "LARGE", 0)
    monkeypatch.setattr(unpacking, "LARGE", 0)


def flags(data: Path, out: Path, *more: str, model: str = "custom-fc", test: str = "test") -> list[str]:
    files = {"train": "train", "validation": "validation", "test": test}
    words = [f"--{part}_file={data / name}.csv" for part, name in files.items()]
    settings = ["--model_config", *TINY[:1], "--min_frequency", "1"] if model.startswith("custom") else []
    steps = [] if model.startswith("baseline") else ["--max_steps", "2", "--eval_strategy", "no"]
    words += ["--output_dir", str(out / "run"), "--cache_dir", str(out / "cache"), "--disable_tqdm", "true"]
    return ["--model", model, *words, *settings, *steps, *COLUMNS, *map(str, more)]


# What each run is to leave, and the files that would reveal something without the flag.
PLACES = {
    "columns beside the text": (["custom-fc"], {"tokenizer.json", "config.json", "000000.arrow"}),
    "columns as text": (["custom-fc", "--columns_as_text"], {"tokenizer.json"}),
    "baseline": (["baseline-logistic-regression-tfidf"], {"model.skops"}),
    "texts without labels": (["custom-fc", "--adversarial", "vat"], {"tokenizer.json"}),
    "predict_unlabelled": (["custom-fc", "--predict_unlabelled"], {"unlabelled_test.csv"}),
    "pretrain": (["custom-gru", "--objective", "words"], {"tokenizer.json"}),
}


def words_of(name: str, data: Path, out: Path) -> list[str]:
    """The flags of a run of `PLACES`."""
    (model, *more), _ = PLACES[name]
    reads_alone = name in ("texts without labels", "pretrain")
    if reads_alone:
        more += ["--unlabelled_file", str(data / "alone.csv")]
    words = flags(data, out, *more, model=model, test="bare" if "--predict_unlabelled" in more else "test")
    if reads_alone:
        place = words.index("--extra_column_names")
        del words[place : place + 2]
    return words


# The splits of these are tested with the data; here it is all that a run makes of them.
SLOW = ("columns as text", "texts without labels")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in PLACES])
def test_no_file_and_no_cache_reveals_what_was_replaced(name, data, tmp_path, caplog):
    assert run_command(words_of(name, data, tmp_path / "plain")) == 0
    # The control: what the flag keeps out, the test would see.
    assert revealing(tmp_path / "plain") >= PLACES[name][1]
    assert run_command([*words_of(name, data, tmp_path / "redacted"), "--redact"]) == 0
    assert revealing(tmp_path / "redacted") == set()
    assert "names are not found" in caplog.text


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run on redacted texts and columns."""
    folder = tmp_path_factory.mktemp("trained")
    assert run_command([*flags(data, folder), "--redact"]) == 0
    return folder / "run"


def test_what_was_replaced_is_counted_by_part_and_kind_and_never_listed(trained, data):
    report = read_report(trained)
    titles = {"train": 40, "validation": 16, "test": 20}
    texts = {part: sum(number % 3 > 0 for number in range(count)) for part, count in titles.items()}
    for part, count in titles.items():
        found = {"EMAIL": count + texts[part], "URL": count, "CARD": texts[part], "PHONE": texts[part]}
        assert report["data"]["redacted"][part] == found
    card = (trained / "README.md").read_text()
    assert f"{40 + texts['train']} EMAIL, 40 URL" in card
    assert "names are not found" in card
    assert "`pipeline()` reads a text as it is given" in card


def test_the_counts_are_those_of_the_rows_that_a_part_has(data):
    part = {"train_file": str(data / "train.csv"), "redact": True, "no_cache": True, "text_column_names": "title"}
    splits = load_splits(DataArguments(**part, max_train_samples=10))
    assert splits.notes["redacted"] == {"train": {"EMAIL": 10}, "validation": {"EMAIL": 4}, "test": {"EMAIL": 4}}


def test_it_is_another_run_of_another_method(data, tmp_path, capsys):
    assert run_command(flags(data, tmp_path)) == 0
    assert run_command([*flags(data, tmp_path), "--redact"]) == 2
    assert "redact" in capsys.readouterr().err


def test_groups_stay_apart_whose_names_are_personal_data(tmp_path):
    found = [(text, label, f"author{number // 2}@example.com") for number, (text, label) in enumerate(reviews(60, 0))]
    file = write_csv(tmp_path / "train.csv", found, ("text", "label", "author"))
    args = {"train_file": str(file), "group_column_name": "author", "no_cache": True}
    plain, redacted = (load_splits(DataArguments(**args, redact=redact)) for redact in (False, True))
    assert redacted.notes["groups"] == plain.notes["groups"]
    assert redacted.test.texts == plain.test.texts


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_predict_redacts_a_file_as_in_training(suffix, trained, data, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / f"labelled{suffix}"
    argv = [str(trained), "--file", str(data / "bare.csv"), "--output", str(output), "--cache_dir"]
    assert predict_command([*argv, str(tmp_path / "out" / "cache")]) == 0
    assert output.is_file()
    assert revealing(tmp_path / "out") == set()
    assert "redacted: 20 EMAIL, 12 URL, 8 CARD, 8 PHONE; names are not found" in capsys.readouterr().err


def test_predict_reads_and_prints_redacted_texts(trained, capsys):
    assert predict_command([str(trained), "zora@secretmail.example was here"]) == 0
    shown = capsys.readouterr()
    assert shown.out.endswith("\t[EMAIL] was here\n")
    assert "redacted: 1 EMAIL" in shown.err
    # A text with the placeholder is what the model reads.
    first, second = predict(load(trained), ["zora@secretmail.example was here", "[EMAIL] was here"])
    assert first == second


def test_predict_redacts_by_its_flag_for_a_model_that_was_not(data, tmp_path, capsys, monkeypatch):
    assert run_command(flags(data, tmp_path)) == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\nzora@secretmail.example\n")))
    assert predict_command([str(tmp_path / "run"), "--redact"]) == 0
    shown = capsys.readouterr()
    assert shown.out.endswith("\t[EMAIL]\n")
    assert "redacted: 1 EMAIL" in shown.err


def test_pages_of_the_run_and_an_audit_have_redacted_texts(trained, data, tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    argv = [str(trained), "--overview", "--method", "deletion", "--output", str(pages / "overview.html")]
    assert explain_command(argv) == 0
    assert explain_command([str(trained), f"see {PERSONAL}", "--output", str(pages / "text.json")]) == 0
    # A copy is what an audit shows.
    twice = write_csv(tmp_path / "twice.csv", [*rows(16, 0), *rows(16, 0)], HEADER)
    audited = [f"--train_file={twice}", "--text_column_names", "title,text", "--no_cache", "--redact"]
    assert audit_command([*audited, "--output_dir", str(pages / "audit")]) == 0
    assert {"audit.csv", "overview.html", "text.json"} <= {file.name for file in pages.rglob("*")}
    assert "[email]" in dict(contents(pages))["audit/audit.csv"]
    assert revealing(pages) == set()


def files_and_columns(data: Path) -> list[str]:
    """The flags of the data."""
    files = [f"--{part}_file={data / part}.csv" for part in ("train", "validation", "test")]
    return [*files, "--text_column_names", "title,text", "--no_cache"]


def test_a_comparison_has_redacted_texts(trained, data, tmp_path):
    again = [*flags(data, tmp_path, "--seed", "7"), "--redact"]
    assert run_command(again) == 0
    argv = [str(trained), str(tmp_path / "run"), *files_and_columns(data), "--extra_column_names", "site", "--redact"]
    assert compare_command([*argv, "--output_dir", str(tmp_path / "page")]) == 0
    assert "[email]" in dict(contents(tmp_path / "page"))["comparison/results.json"]
    assert revealing(tmp_path / "page") == set()


def test_the_rows_of_a_broken_step_are_redacted(data, tmp_path, monkeypatch):
    monkeypatch.setattr(SafeTrainer, "_get_grad_norm", lambda trainer, *_, **__: refused(trainer))
    assert run_command([*flags(data, tmp_path), "--redact"]) == 3
    begins = dict(contents(tmp_path / "run"))["broken_batch.json"]
    assert "[ email ] wrote" in begins
    assert revealing(tmp_path) == set()


def test_all_that_uses_the_model_gives_it_redacted_texts(trained):
    text, redacted = "zora@secretmail.example was here", "[EMAIL] was here"
    (explanation,) = explain(trained, [text], method="deletion")
    assert explanation.text == redacted
    settings = Settings(str(trained), "main", trust_remote_code=False, batch_size=2, threads=1)
    first, second = Served.of_settings(settings.as_json()).answers([text, redacted])
    assert first == second
    scorer = load(trained)
    assert scorer.as_trained(rows_with(scorer, [text], {"site": [SITES[0]]})).texts == [redacted]


def test_a_model_of_redacted_texts_is_not_given_others_in_silence(trained, data, tmp_path, caplog):
    again = flags(data, tmp_path, model=str(trained))
    assert run_command(again) == 0
    assert "was trained with --redact, and this run is without" in caplog.text
    assert Reading.load(trained / "reading.json").redact
    assert not Reading.load(tmp_path / "run" / "reading.json").redact


def test_what_is_unusual_is_asked_of_the_text_that_the_model_reads(trained, capsys):
    text = f"a good film . write to {PERSONAL}"
    assert predict_command([str(trained), text, "--flag_unlike"]) == 0
    (answer,) = predict(trained, [text], flag_unlike=True)
    assert f"unlike {answer['unlike'] or 'no'}\t" in capsys.readouterr().out


def test_an_ensemble_of_models_that_read_other_texts_is_refused(tmp_path):
    for seed, part in enumerate(("train", "validation", "test")):
        write_csv(tmp_path / f"{part}.csv", reviews(30, seed))
    names = {"plain": (), "redacted": ("--redact",)}
    for name, more in names.items():
        words = [f"--{part}_file={tmp_path / part}.csv" for part in ("train", "validation", "test")]
        words += ["--model", "baseline-naive-bayes-bow", "--output_dir", str(tmp_path / name), *more]
        assert run_command(words) == 0
    folders = [str(tmp_path / name) for name in names]
    ensemble_command([*folders, "--output_dir", str(tmp_path / "both")])
    with pytest.raises(InputError, match="some of its members were trained with --redact"):
        load(tmp_path / "both")


def test_a_model_that_is_only_scored_reads_as_in_training(trained, data, tmp_path):
    out = tmp_path / "scored"
    files = [f"--{part}_file={data / part}.csv" for part in ("train", "validation", "test")]
    assert run_command(["--model", str(trained), *files, "--do_predict", "--output_dir", str(out), "--no_cache"]) == 0
    assert read_report(out)["test_hash"] == read_report(trained)["test_hash"]
    assert revealing(out) == set()


def refused(trainer: SafeTrainer) -> None:
    broken_step.refuse_step(trainer, trainer.current_step, float("nan"))
