"""`make bench`: the page tells the figures, the peers compute what they say, the made-up rows are what is asked."""

import json
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.sparse import csr_matrix

from benchmarks.bench import figures, inference, made_up, operations, page, processes, rows, time_to_accuracy
from benchmarks.bench.machine import instruction_sets, machine
from benchmarks.peers import nblr, program

RUNS = {"ours": [2.0, 4.0, 3.0], "peer": [4.0, 4.0, 12.0]}


@pytest.fixture
def record() -> dict:
    """Figures of every measurement, with two tables each and curves for one."""
    seconds = figures.table("Whole processes", "s", RUNS, "less", "ours", {"ours": {"accuracy (%)": 91.25}})
    rates = figures.table("Rates", "texts/s", RUNS, "more", "ours")
    about = {"tables": [seconds, rates], "machine": machine(), "quick": False, "minutes": 1.5}
    found = {name: json.loads(json.dumps(about)) for name in page.ABOUT}
    curve = {"x": [1, 4], "x_label": "rows", "title": "Seconds", "y": [[1.0, 2.0], [2.0, 3.0]], "y_label": "s"}
    found["growth"]["curves"] = [curve, curve]
    return found


def test_the_page_has_every_table_and_picture_and_the_machine(record, tmp_path):
    page.write_page(record, tmp_path)
    text = (tmp_path / "performance.md").read_text()
    for name, (heading, _) in page.ABOUT.items():
        section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
        assert [line for line in section.splitlines() if line.startswith("### ")] == [
            f"### {table['title']}" for table in record[name]["tables"]
        ]
        assert record[name]["machine"]["processor"] in section
        assert f"torch {torch.__version__}" in section
    assert (tmp_path / "pictures" / "performance-growth.png").read_bytes().startswith(b"\x89PNG")
    assert text.count("](pictures/performance-growth.png)") == 1


def test_the_page_shows_medians_spreads_and_the_ratios_of_the_rounds(record):
    seconds, rates = page.page_of({"training": record["training"]}, {}).split("### ")[1:]
    assert "| ours | 3.00 (2.00 to 4.00) | 91.2 |  |" in seconds
    assert "| peer | 4.00 (4.00 to 12.0) |  | 2.00 times as fast (1.00 to 4.00) |" in seconds
    assert "| peer | 4.00 (4.00 to 12.0) | 0.50 times as fast (0.25 to 1.00) |" in rates


def test_a_page_of_one_measurement_has_no_other(record):
    text = page.page_of({"inference": record["inference"]}, {})
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Inference"]


def test_ways_take_turns():
    order = []
    ways = {name: lambda name=name: order.append(name) or len(order) for name in ("ours", "peer")}
    assert figures.by_turns(ways, 2) == {"ours": [1, 3], "peer": [2, 4]}
    assert order == ["ours", "peer", "ours", "peer"]


def test_instruction_sets_are_whole_words_of_the_flags():
    assert instruction_sets("flags\t\t: fpu avx2 avx512f_like avx512_bf16\n") == ["avx2", "avx512_bf16"]
    assert instruction_sets("") == []


def test_made_up_rows_are_as_many_as_asked_and_the_same_for_a_seed(monkeypatch):
    monkeypatch.setattr(made_up, "CHUNK", 100)
    first, again, other = (pa.concat_tables(made_up.rows(250, 12, seed)) for seed in (1, 1, 2))
    assert first.num_rows == 250
    assert first.equals(again)
    assert not first.equals(other)
    assert {len(text.split()) for text in first["text"].to_pylist()} == {12}
    assert set(first["label"].to_pylist()) == set(made_up.CLASSES)


def test_made_up_words_differ_and_tell_the_class():
    words = made_up.vocabulary()
    assert len(set(words)) == len(words)
    own = [set(words[made_up.WORDS :][::1][start : start + made_up.CLASS_WORDS]) for start in (0, made_up.CLASS_WORDS)]
    texts = next(made_up.rows(300, 60, seed=0)).to_pylist()
    seen = [[len(of_class & set(row["text"].split())) for of_class in own] for row in texts]
    right = [made_up.CLASSES[np.argmax(counts)] == row["label"] for counts, row in zip(seen, texts, strict=True)]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize(("suffix", "read"), [(".parquet", pd.read_parquet), (".csv", pd.read_csv)])
def test_parts_are_files_that_have_all_rows_together(suffix, read, tmp_path):
    made_up.write_parts(tmp_path / "data", 103, 5, files=10, small=7, suffix=suffix)
    files = sorted((tmp_path / "data").glob(f"train-*-of-00010{suffix}"))
    train = pd.concat(map(read, files))
    assert (len(files), len(train), list(train)) == (10, 103, ["text", "label"])
    assert train["text"].nunique() > 90
    assert len(read(tmp_path / "data" / f"test{suffix}")) == 7


@pytest.mark.slow
def test_many_rows_are_trained_on_and_predicted_in_csv_too(tmp_path):
    done = rows.finished_on(".csv", tmp_path, 200)
    assert list(done) == ["custom-fc on csv, run", "custom-fc on csv, predict"]
    assert all(one.memory > 100e6 for one in done.values())
    assert len(pd.read_csv(tmp_path / "custom-fc-200.csv-predicted.csv")) == 200


def test_the_log_count_ratio_is_that_of_smoothed_shares():
    counts = csr_matrix(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32))
    ratio = nblr.log_count_ratio(counts, np.array([True, True, False]))
    # Of positive rows 2, 1, 0 n-grams, of others 0, 0, 1; each count plus one.
    assert np.allclose(ratio, np.log([(3 / 6) / (1 / 4), (2 / 6) / (1 / 4), (1 / 6) / (2 / 4)]))


def test_naive_bayes_weighted_regression_learns_and_is_read_again(tmp_path):
    texts, labels = ["good fine film !", "bad poor film ."] * 10, ["pos", "neg"] * 10
    nblr.save(nblr.train(texts, labels), tmp_path / "model")
    assert nblr.predict(nblr.load(tmp_path / "model"), ["fine !", "poor ."]) == ["pos", "neg"]
    with pytest.raises(ValueError, match="two classes"):
        nblr.train(texts, ["pos"] * 20)


def test_parts_of_a_folder_are_found_at_any_depth(tmp_path):
    (tmp_path / "data").mkdir()
    for number in range(2):
        table = pa.table({"text": [f"text {number}"], "label": [number]})
        pq.write_table(table, tmp_path / "data" / f"train-{number}.parquet")
    assert program.read_part(tmp_path, "train") == (["text 0", "text 1"], [0, 1])
    with pytest.raises(FileNotFoundError, match=r"test\*\.parquet"):
        program.read_part(tmp_path, "test")


def test_stations_are_the_differences_of_the_marks():
    assert time_to_accuracy.durations({"imports": 1.0, "data": 1.5, "training": 4.0}) == {
        **{"imports": 1.0, "data": 0.5, "training": 2.5}
    }


def operations_of(layer, *inputs: torch.Tensor) -> int:
    with operations.FlopCounterMode(display=False, custom_mapping=operations.UNKNOWN_TO_TORCH) as counter:
        layer(*inputs)
    return counter.get_total_flops()


@torch.no_grad()
def test_operations_of_kernels_that_torch_does_not_count():
    batch, length, size, hidden = 3, 5, 8, 16
    lstm = torch.nn.LSTM(size, hidden, batch_first=True)
    expected = 2 * batch * length * 4 * hidden * (size + hidden)
    assert operations_of(lstm, torch.randn(batch, length, size)) == expected
    heads, query = 4, torch.randn(batch, 4, length, size)
    expected = 2 * batch * heads * length * length * (size + size)
    assert operations_of(torch.nn.functional.scaled_dot_product_attention, query, query, query) == expected


def predictions(file, probabilities):
    frame = pd.DataFrame({"probability_neg": [1 - p for p in probabilities], "probability_pos": probabilities})
    frame.assign(prediction=["pos" if p > 0.5 else "neg" for p in probabilities]).to_csv(file, index=False)
    return file


def test_answers_that_differ_end_the_measurement(tmp_path):
    ours = predictions(tmp_path / "ours.csv", [0.9, 0.2, 0.500001])
    near = predictions(tmp_path / "near.csv", [0.90001, 0.2, 0.499999])
    far = predictions(tmp_path / "far.csv", [0.91, 0.2, 0.5])
    assert inference.difference(ours, near) == pytest.approx(1e-5, abs=1e-9)
    with pytest.raises(RuntimeError, match=r"far\.csv"):
        inference.difference(ours, far)


def test_memory_of_a_process_is_that_of_all_that_it_starts():
    child = "b = b'x' * 100_000_000; import time; time.sleep(0.6)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print(1)"
    done = processes.finish([sys.executable, "-c", parent], watch=True)
    assert 100e6 < done.anonymous < 140e6
    assert done.memory >= done.anonymous
    assert done.printed == 1
    assert 0.5 < done.seconds < 30


def test_a_process_that_fails_says_what_it_said():
    with pytest.raises(RuntimeError, match="ended with 3: no such thing"):
        processes.finish([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"])


def test_the_clock_of_a_peer_begins_with_its_process():
    code = "import time; time.sleep(0.3); from benchmarks.peers.program import elapsed; print(elapsed())"
    begin = time.perf_counter()
    done = processes.finish([sys.executable, "-c", code])
    assert 0.3 < float(done.output) <= time.perf_counter() - begin + 0.05


def test_the_command_knows_every_measurement():
    done = subprocess.run([sys.executable, "-m", "benchmarks.bench", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(name in done.stdout for name in page.ABOUT)
