"""A saved model labels texts from the command line, from standard input and from files, as `pipeline` does."""

import csv
import io
import subprocess
from pathlib import Path

import pandas
import pytest
from helpers import run_flags, save_bert, write_csv, write_data
from launching import python
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2Tokenizer,
    pipeline,
)

from sentiment_hf.cli import predict_command
from sentiment_hf.data.csv_files import read_csv_table
from sentiment_hf.inference import scoring
from sentiment_hf.inference.scorer import BATCHES_PER_POOL, load_scorer
from sentiment_hf.settings.model_ref import ModelRef

ROOT = Path(__file__).parents[2]
LIMIT = 12
LEARNS = ("embedding_size=8", "hidden_size=8", "dropout=0", "embedding_dropout=0", "pooling=mean")
TEXTS = [
    "a fine film",
    "",
    "so grim and dull",
    "good " * 40 + "bad " * 40,
    "the soup was cold",
    "dull<br /><br />film<BR>good",
]


@pytest.fixture(scope="module", params=["custom-gru", "bert"])
def model(request, tmp_path_factory) -> str:
    """The folder of a model that has learned something from texts of at most 12 tokens."""
    folder = tmp_path_factory.mktemp(request.param)
    data = write_data(folder / "data")
    model, settings = "custom-gru", LEARNS
    if request.param == "bert":
        model, settings = save_bert(folder / "bert", data, initializer_range=0.3), ()
    more = ["--max_seq_length", LIMIT, "--learning_rate", 0.03, "--num_train_epochs", 4, "--warmup_steps", 0]
    run_flags(data, folder / "run", *more, model=model, settings=settings)
    return str(folder / "run")


def expected(model: str, texts: list[str]) -> list[dict[str, float]]:
    """Label to probability by the library's own pipeline."""
    classify = pipeline(
        "text-classification",
        model=AutoModelForSequenceClassification.from_pretrained(model),
        tokenizer=AutoTokenizer.from_pretrained(model),
        device="cpu",
    )
    rows = classify(texts, top_k=None, truncation=True)
    return [{score["label"]: score["score"] for score in row} for row in rows]


def printed(line: str) -> tuple[str, dict[str, float], str]:
    """(prediction, label to probability, text) of a line on the screen."""
    prediction, scores, text = line.split("\t")
    return prediction, {pair.split()[0]: float(pair.split()[1]) for pair in scores.split("  ")}, text


def test_texts_of_the_command_line_get_the_scores_of_the_pipeline(model, capsys):
    assert predict_command([model, *TEXTS]) == 0
    lines = [printed(line) for line in capsys.readouterr().out.splitlines()]
    assert [text for *_, text in lines] == TEXTS
    for (prediction, scores, _), wanted in zip(lines, expected(model, TEXTS), strict=True):
        assert scores == pytest.approx(wanted, abs=1e-4)
        assert prediction == max(wanted, key=wanted.get)
        assert sum(scores.values()) == pytest.approx(1, abs=2e-4)


def pipe(monkeypatch, content: bytes):
    """These bytes as standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("batch_size", ["1", "3", "64"])
def test_lines_of_standard_input_are_texts(model, capsys, monkeypatch, batch_size):
    lines = [text for text in TEXTS if text] + ["très bon"]
    pipe(monkeypatch, "\r\n".join(lines).encode())
    assert predict_command([model, "--batch_size", batch_size]) == 0
    found = [printed(line) for line in capsys.readouterr().out.splitlines()]
    assert [text for *_, text in found] == lines
    for (_, scores, _), wanted in zip(found, expected(model, lines), strict=True):
        assert scores == pytest.approx(wanted, abs=1e-4)


def test_lines_of_a_text_file_are_texts(model, capsys, tmp_path):
    lines = ["a fine film", "", "so grim\x0cand dull", "\u2028"]
    (tmp_path / "lines.txt").write_bytes("\ufeff".encode() + "\r\n".join([*lines, ""]).encode())
    output = tmp_path / "labelled.csv"
    assert predict_command([model, "--file", str(tmp_path / "lines.txt"), "--output", str(output)]) == 0
    with output.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["text"] for row in found] == lines
    for row, wanted in zip(found, expected(model, lines), strict=True):
        assert {label: float(row[f"probability_{label}"]) for label in wanted} == pytest.approx(wanted, abs=1e-4)
    (tmp_path / "empty.txt").touch()
    assert predict_command([model, "--file", str(tmp_path / "empty.txt")]) == 2
    assert "empty.txt is empty: expected a text in each line" in capsys.readouterr().err


def test_standard_input_that_is_not_utf8_is_refused(model, capsys, monkeypatch):
    pipe(monkeypatch, b"good\ntr\xe8s bon\n")
    assert predict_command([model]) == 2
    assert "standard input, line 2: not UTF-8" in capsys.readouterr().err


def test_every_text_is_one_line(model, capsys):
    assert predict_command([model, "good\r\nfilm", "good <br />film"]) == 0
    first, second = (printed(line) for line in capsys.readouterr().out.splitlines())
    assert first[2] == "good\\r\\nfilm"
    assert first[1] == second[1]


@pytest.mark.parametrize("code", ["\t", "\n", "\x1b[2J", "\x9b2J", "\u2028", "\u202e", "\u2066", "\x7f"])
def test_nothing_in_a_text_moves_the_cursor_or_breaks_the_table(model, capsys, code):
    assert predict_command([model, f"good {code} film"]) == 0
    (line,) = capsys.readouterr().out.rstrip("\n").split("\n")
    assert line.count("\t") == 2
    assert line.replace("\t", "").isprintable()


def test_texts_may_stand_behind_flags(model, capsys):
    assert predict_command([model, "good", "--batch_size", "8", "bad"]) == 0
    assert [line.split("\t")[2] for line in capsys.readouterr().out.splitlines()] == ["good", "bad"]


def test_a_model_that_was_saved_without_padding_takes_a_batch(tmp_path, capsys):
    vocabulary = [*sorted(ByteLevel.alphabet()), "<|endoftext|>"]
    GPT2Tokenizer({token: index for index, token in enumerate(vocabulary)}, []).save_pretrained(tmp_path)
    ends = {"bos_token_id": 256, "eos_token_id": 256}
    config = GPT2Config(vocab_size=257, n_positions=32, n_embd=8, n_layer=1, n_head=2, initializer_range=0.5, **ends)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    texts = ["", "a fine film", "long " * 20]
    batch, alone = ([str(tmp_path), *texts, "--batch_size", size] for size in ("3", "1"))
    assert predict_command(batch) == predict_command(alone) == 0
    lines = [printed(line) for line in capsys.readouterr().out.splitlines()]
    for (_, together, _), (_, single, _) in zip(lines[:3], lines[3:], strict=True):
        assert together == pytest.approx(single, abs=2e-4)


def test_on_a_cpu_long_texts_are_classified_fewer_at_a_time_and_as_before(model, monkeypatch):
    scorer = load_scorer(ModelRef.parse(model, flag="MODEL"), "cpu")
    network, texts, sizes = scorer.score.args[1].args[0], ["bad", *TEXTS * 3], []
    network.register_forward_pre_hook(lambda _, __, inputs: sizes.append(len(inputs["input_ids"])), with_kwargs=True)
    together = scorer.classify(texts, 8)
    assert sizes == [8, 8, 3]
    sizes.clear()
    # Room for two texts of the limit, or for more of the shorter ones.
    monkeypatch.setattr(scoring, "STATES_AT_A_TIME", 2 * LIMIT * network.config.hidden_size)
    assert scorer.classify(texts, 8) == pytest.approx(together, abs=1e-6)
    assert sizes[0] == 2 < max(sizes) <= 8
    assert sum(sizes) == len(texts)


def test_a_model_without_a_trained_head_is_refused(tmp_path, capsys):
    bert = save_bert(tmp_path / "bert", write_data(tmp_path / "data"))
    assert predict_command([str(bert), "good"]) == 2
    assert "no trained classifier" in capsys.readouterr().err


def test_a_file_keeps_its_rows_and_columns_and_gains_the_scores(model, tmp_path):
    rows = [(index, text, f'note "{index}", {index}') for index, text in enumerate(TEXTS * 5)]
    file = write_csv(tmp_path / "reviews.csv", rows, ("id", "text", "remark"))
    output = tmp_path / "labelled.csv"
    assert predict_command([model, "--file", str(file), "--output", str(output), "--batch_size", "3"]) == 0
    # Read by another library than it was written with.
    columns = pandas.read_csv(output, dtype=str, keep_default_na=False).to_dict("list")
    assert list(columns) == ["id", "text", "remark", "prediction", "probability_negative", "probability_positive"]
    assert list(zip(columns["id"], columns["text"], columns["remark"], strict=True)) == [
        (str(index), text, remark) for index, text, remark in rows
    ]
    for index, wanted in enumerate(expected(model, TEXTS) * 5):
        found = {label: float(columns[f"probability_{label}"][index]) for label in wanted}
        assert found == pytest.approx(wanted, abs=1e-5)
        assert sum(found.values()) == pytest.approx(1, abs=2e-6)
        assert columns["prediction"][index] == max(wanted, key=wanted.get)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("source", [".csv", ".jsonl", ".parquet"])
def test_every_format_has_the_rows_of_csv(model, tmp_path, source, suffix):
    table = pandas.DataFrame({"id": range(30), "text": TEXTS * 5, "when": pandas.Timestamp("2026-11-27")})
    writers = {
        ".csv": lambda path: table.to_csv(path, index=False),
        ".jsonl": lambda path: table.to_json(path, orient="records", lines=True, date_format="iso"),
        ".parquet": table.to_parquet,
    }
    writers[source](tmp_path / f"reviews{source}")
    named = [model, "--batch_size", "3", "--file", str(tmp_path / f"reviews{source}"), "--output"]
    for name in ("labelled.csv", f"labelled{suffix}"):
        assert predict_command([*named, str(tmp_path / name)]) == 0
    read = {".jsonl": lambda path: pandas.read_json(path, lines=True), ".parquet": pandas.read_parquet}[suffix]
    found = read(tmp_path / f"labelled{suffix}")
    expected = pandas.read_csv(tmp_path / "labelled.csv", keep_default_na=False)
    assert list(found) == list(expected)
    for name in ("text", "prediction"):
        assert found[name].tolist() == expected[name].tolist()
    assert found["id"].astype(int).tolist() == expected["id"].tolist()
    assert found["probability_positive"].tolist() == pytest.approx(expected["probability_positive"].tolist())
    if source == suffix == ".parquet":
        assert found.dtypes[["id", "when"]].tolist() == table.dtypes[["id", "when"]].tolist()


def test_a_column_of_several_kinds_is_none_of_parquet(model, tmp_path, capsys):
    (tmp_path / "in.jsonl").write_text('{"text": "good", "note": 1}\n{"text": "bad", "note": "one"}\n')
    named = [model, "--file", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.parquet")]
    assert predict_command(named) == 2
    assert "the column 'note' cannot be a column of parquet" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl"}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_rows_that_were_classified_before_an_error_are_kept(tmp_path, suffix, capsys):
    data = write_data(tmp_path / "data")
    bert = save_bert(tmp_path / "bert", data)
    head = AutoModelForSequenceClassification.from_pretrained(bert)
    tokenizer = AutoTokenizer.from_pretrained(bert)
    head.get_input_embeddings().weight.data[tokenizer.get_vocab()["soup"]] = float("nan")
    head.save_pretrained(bert)
    tokenizer.save_pretrained(bert)
    rows = [("good",)] * (BATCHES_PER_POOL + 1) + [("soup",)]
    file, output = write_csv(tmp_path / "in.csv", rows, ("text",)), tmp_path / f"out{suffix}"
    assert predict_command([str(bert), "--file", str(file), "--batch_size", "1", "--output", str(output)]) == 2
    said = capsys.readouterr().err
    assert f"the probabilities of text {len(rows)} of {len(rows)} are not finite" in said
    assert f"the rows until here are in {output}.partial" in said
    assert not output.exists()
    read = {".jsonl": lambda path: pandas.read_json(path, lines=True), ".parquet": pandas.read_parquet}
    assert read.get(suffix, pandas.read_csv)(f"{output}.partial")["text"].tolist() == ["good"] * BATCHES_PER_POOL


def test_without_an_output_the_table_goes_to_the_screen(model, tmp_path, capsys):
    file = write_csv(tmp_path / "reviews.csv", [("good, so good", 5), ("bad", 1)], ("text", "stars"))
    assert predict_command([model, "--file", str(file)]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0][:3] == ["text", "stars", "prediction"]
    assert [row[0] for row in rows[1:]] == ["good, so good", "bad"]


def test_what_no_file_can_hold_does_not_stop_the_others(model, tmp_path, capsys):
    (tmp_path / "reviews.jsonl").write_text('{"text": "good", "note": "\\ud800"}\n{"text": "bad", "note": ""}\n')
    flags = [model, "--file", str(tmp_path / "reviews.jsonl"), "--output", str(tmp_path / "out.csv")]
    assert predict_command(flags) == 0
    assert list(read_csv_table(tmp_path / "out.csv").columns["note"]) == ["\\ud800", ""]
    assert predict_command([model, "good \udcff"]) == 2
    assert "not UTF-8" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(model, tmp_path):
    write_csv(tmp_path / "many.csv", [("a fine film",)] * 5000, ("text",))
    command = [python(), str(ROOT / "scripts" / "predict.py"), str(model), "--file", str(tmp_path / "many.csv")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as predict:
        assert predict.stdout.readline().startswith('"text"')
        predict.stdout.close()
        error = predict.stderr.read()
    assert (predict.returncode, "Traceback" in error, "BrokenPipe" in error) == (141, False, False)


def test_a_screen_without_a_character_shows_its_number(model, monkeypatch):
    screen = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(screen, encoding="ascii"))
    assert predict_command([model, "good \U0001f600"]) == 0
    assert screen.getvalue().endswith(b"good \\U0001f600\n")


def test_a_formula_behind_a_separator_of_other_countries_stays_inside_its_quotes(model, tmp_path):
    file, output = write_csv(tmp_path / "in.csv", [("good;=1+1",)], ("text",)), tmp_path / "out.csv"
    assert predict_command([model, "--file", str(file), "--output", str(output)]) == 0
    assert '"good;=1+1"' in output.read_text()


def test_a_file_that_unpacks_to_more_than_is_allowed_is_refused(model, tmp_path, capsys):
    file = tmp_path / "in.parquet"
    pandas.DataFrame({"text": ["good " * 1000] * 1000}).to_parquet(file)
    assert predict_command([model, "--file", str(file), "--max_data_bytes", "100"]) == 2
    assert "in.parquet: with it the data take more than 100 bytes" in capsys.readouterr().err


def test_a_text_is_cut_to_the_length_of_the_training(model, capsys):
    long = "the soup was cold and so grim here again we saw it"
    assert predict_command([model, f"{long} good good good", f"{long} bad bad bad"]) == 0
    good, bad = (printed(line) for line in capsys.readouterr().out.splitlines())
    assert good[1] == bad[1]
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert tokenizer.model_max_length == LIMIT < len(tokenizer(long)["input_ids"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["NOWHERE/run", "good"], "no such folder"),
        (["NOWHERE", "good"], "config.json"),
        (["MODEL", "good", "--file", "x.csv"], "not both"),
        (["MODEL", "--file", "NOWHERE/x.csv"], "x.csv"),
        (["MODEL", "--output", "NOWHERE/x.csv"], "--file"),
        (["MODEL", "good", "--batch_size", "0"], "--batch_size"),
        (["MODEL", "good", "--bach_size", "3"], "--bach_size"),
        (["MODEL", "--file", "NOWHERE/y.csv", "--text_column_names", "txt"], "'text'"),
        (["MODEL", "--file", "NOWHERE/y.csv", "--output", "NOWHERE/missing/z.csv"], "missing/z.csv"),
        (["MODEL", "--file", "NOWHERE/y.csv", "--output", "NOWHERE"], "a .csv, .jsonl or .parquet file"),
        (["MODEL", "--file", "NOWHERE/y.csv", "--output", "NOWHERE/./y.csv"], "is --file itself"),
        (["MODEL", "--file", "NOWHERE/y.csv", "--output", "NOWHERE/z.json"], "a .csv, .jsonl or .parquet file"),
        (["MODEL", "--file", "NOWHERE/labelled.csv"], "'prediction' already"),
        ([], "model"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(model, tmp_path, capsys, words, said):
    empty = tmp_path / "empty"
    empty.mkdir()
    write_csv(empty / "y.csv", [("good",)], ("text",))
    write_csv(empty / "labelled.csv", [("good", "positive")], ("text", "prediction"))
    words = [word.replace("NOWHERE", str(empty)).replace("MODEL", model) for word in words]
    capsys.readouterr()
    assert predict_command(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
