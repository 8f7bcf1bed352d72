"""What is trained here can be fetched from the Hub and used; only what belongs there goes, and nothing secret."""

import io
import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import HUB
from helpers import flags, read_report, run_flags, save_bert, write_csv, write_data
from huggingface_hub import HfApi, ModelCard, constants
from loopback_hub import USER

from custom_models import MODEL_NAMES
from sentiment_hf.cli import push_command, run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.markdown import escape_markdown
from sentiment_hf.hub.pushed_files import pushed_files
from sentiment_hf.hub.refusals import finished_model
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.settings.model_ref import ModelRef

TEXTS = ["good film and warm soup", "a dull grim plot", ""]
OF_A_MODEL = {
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "conformal.json",
    "usual.json",
    "reading.json",
    "README.md",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory) -> dict[str, Path]:
    """Finished runs by name: every custom model, a tuned BERT, and an adapter of a custom model."""
    folder = tmp_path_factory.mktemp("runs")
    base = save_bert(folder / "base", data)
    for name in MODEL_NAMES:
        run_flags(data, folder / name, model=name)
    run_flags(data, folder / "bert", model=base, settings=())
    more = ["--tuning", "lora"]
    run_flags(data, folder / "adapter", *more, model=folder / "custom-gru", settings=())
    return {path.name: path for path in folder.iterdir() if path.name != "base"}


def scores(model: str | Path) -> list[dict[str, float]]:
    scorer = load_scorer(ModelRef.parse(str(model)))
    return [dict(zip(scorer.task.labels, row, strict=True)) for row in scorer.score(TEXTS, 8).tolist()]


def push(folder: Path, repo: str, *more: str) -> int:
    return push_command([str(folder), "--hub_model_id", f"{USER}/{repo}", *more])


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.S)


@pytest.mark.parametrize("name", [*MODEL_NAMES, "bert"])
def test_what_is_pushed_is_what_a_loader_needs_and_nothing_else(hub, runs, name):
    (runs[name] / "notes.txt").write_text("mine")
    (runs[name] / "other.safetensors").write_text("mine")
    assert push(runs[name], name) == 0
    code = {path.name for path in runs[name].glob("*.py")}
    assert bool(code) == (name in MODEL_NAMES)
    files = hub.files(f"{USER}/{name}")
    assert files.keys() == OF_A_MODEL | code | {".gitattributes"}
    assert {*pushed_files(finished_model(runs[name]))} | {".gitattributes"} == files.keys()
    assert [title for _, title, _ in hub.commits(f"{USER}/{name}")][1:] == ["The model", "Its card"]
    assert all(
        files[file] == (runs[name] / file).read_bytes() for file in files.keys() - {"README.md", ".gitattributes"}
    )
    assert scores(f"{USER}/{name}") == scores(runs[name])


# With every snippet in a process of its own, the suite would take minutes more.
SNIPPETS = """
import json, sys
sys.modules["custom_models"] = sys.modules["sentiment_hf"] = None
for name, snippet in json.loads(sys.argv[1]).items():
    print("##", name, flush=True)
    exec(snippet, {})
"""


def test_the_snippet_of_each_card_runs_where_our_packages_are_not_installed(hub, runs):
    pushed = [*MODEL_NAMES, "bert", "adapter"]
    for name in pushed:
        base = ["--base_model", f"{USER}/snippet-custom-gru"] if name == "adapter" else []
        assert push(runs[name], f"snippet-{name}", *base) == 0
    snippets = {}
    for name in pushed:
        (snippet,) = python_blocks(hub.files(f"{USER}/snippet-{name}")["README.md"].decode())
        revision = hub.commits(f"{USER}/snippet-{name}")[1][0]
        assert f'model_id, revision = "{USER}/snippet-{name}", "{revision}"' in snippet
        snippets[name] = snippet
    command = [sys.executable, "-c", SNIPPETS, json.dumps(snippets)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = done.stdout.split("## ")[1:]
    assert [answer.split("\n")[0] for answer in answers] == pushed
    assert all("positive" in answer or "negative" in answer for answer in answers)


def test_the_card_of_a_folder_runs_in_the_folder(runs, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(runs["custom-gru"])
    (snippet,) = python_blocks(Path("README.md").read_text())
    (tmp_path / "snippet.py").write_text(snippet)
    runpy.run_path(str(tmp_path / "snippet.py"))
    assert "label" in capsys.readouterr().out


def test_a_run_is_pushed_once_after_training_and_again_by_asking_again(hub, data, tmp_path, capsys):
    more = ["--push_to_hub", "--hub_model_id", f"{USER}/at-once", "--hub_private_repo", "--license", "mit"]
    argv = flags(data, tmp_path / "run", *more)
    before = len(hub.requests)
    assert run_command(argv) == 0
    assert f"pushed to {hub.url}/{USER}/at-once" in capsys.readouterr().out
    created = [path for method, path in hub.requests[before:] if method == "POST" and path.endswith("repos/create")]
    assert len(created) == 1
    assert len(hub.commits(f"{USER}/at-once")) == 3
    assert HfApi().model_info(f"{USER}/at-once").private
    card = ModelCard(hub.files(f"{USER}/at-once")["README.md"].decode())
    assert card.data.license == "mit"
    assert run_command(argv) == 0, "a finished run is pushed without training"
    assert hub.files(f"{USER}/at-once")["model.safetensors"] == (tmp_path / "run" / "model.safetensors").read_bytes()


FAILURES = [
    ("POST", "/api/repos/create", 401, "set HF_TOKEN"),
    ("POST", "/api/repos/create", 403, "may not write"),
    ("POST", "/commit/main", 404, "no such user"),
    ("POST", "/commit/main", 409, "try again"),
    ("POST", "/commit/main", 429, "wait some minutes"),
    ("POST", "/commit/main", 503, "try later"),
    ("POST", "/commit/main", None, "completes the push"),
    ("HEAD", "", 502, "it answered 502"),
]


@pytest.mark.parametrize(("method", "path", "status", "advice"), FAILURES)
def test_a_push_that_fails_says_what_to_do_and_is_completed_later(hub, runs, capsys, method, path, status, advice):
    folder, repo = runs["custom-fc"], f"failed-{status}-{path.count('/')}"
    before = {file: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    hub.fail(method, path, status)
    assert push(folder, repo, "--license", "mit") == 4
    message = capsys.readouterr().err
    assert advice in message
    assert "Traceback" not in message
    again = f"sentiment-hf push {folder} --hub_model_id {USER}/{repo} --license mit"
    assert again in message
    assert {file: file.read_bytes() for file in before} == before
    hub.recover()
    assert push_command(again.split()[2:]) == 0
    assert hub.files(f"{USER}/{repo}").keys() >= OF_A_MODEL


def test_the_weights_on_the_hub_stay_when_they_are_gone_here(hub, data, tmp_path, capsys):
    argv = flags(data, tmp_path / "run", "--push_to_hub", "--hub_model_id", f"{USER}/kept")
    assert run_command(argv) == 0
    (tmp_path / "run" / "model.safetensors").unlink()
    assert run_command(argv) == 4
    assert push(tmp_path / "run", "kept") == 2
    assert capsys.readouterr().err.count("lacks model.safetensors") == 2
    assert "model.safetensors" in hub.files(f"{USER}/kept")


def test_a_card_may_be_edited_and_is_pushed_so_if_its_head_is_yaml(hub, runs, capsys, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs["custom-fc"], folder)
    card = folder / "README.md"
    card.write_text(card.read_text().replace("license: unknown", "license: mit") + "\nMy words.\n")
    assert push(folder, "edited") == 0
    pushed = ModelCard(hub.files(f"{USER}/edited")["README.md"].decode())
    assert pushed.data.license == "mit"
    assert "My words." in pushed.text
    card.write_text(card.read_text().replace("license: mit", "license: x: y"))
    assert push(folder, "edited-badly") == 2
    assert "README.md: expected YAML" in capsys.readouterr().err


def card_on(hub, repo: str) -> str:
    return hub.files(f"{USER}/{repo}")["README.md"].decode()


def test_a_card_that_was_edited_on_the_hub_stays_until_it_is_asked_to_go(hub, runs, capsys, caplog):
    folder, repo = runs["custom-fc"], f"{USER}/by-hand"
    assert push(folder, "by-hand") == 0
    hub.add(repo, {"README.md": (edited := card_on(hub, "by-hand").replace("## Use", "## How I use it")).encode()})
    assert push(folder, "by-hand") == 0
    assert card_on(hub, "by-hand") == edited
    assert f"the card of {repo} was edited on the Hub and stays as it is" in caplog.text
    assert push(folder, "by-hand", "--overwrite_card") == 0
    assert "## Use" in card_on(hub, "by-hand")


@pytest.mark.parametrize("change", [lambda card: card, lambda card: card.replace("\n", "\r\n") + "\r\n"])
def test_a_card_that_nobody_edited_is_written_anew(hub, runs, caplog, change):
    repo = "written" if change("\n") == "\n" else "by-windows"
    assert push(runs["custom-fc"], repo) == 0
    hub.add(f"{USER}/{repo}", {"README.md": change(card_on(hub, repo)).encode()})
    assert push(runs["custom-fc"], repo) == 0
    assert hub.commits(f"{USER}/{repo}")[-2][0] in card_on(hub, repo)
    assert "edited" not in caplog.text


@pytest.mark.parametrize(("card", "kept"), [("---\nlicense: mit\n---\n", False), ("", False), ("# My model\n", True)])
def test_words_of_a_user_are_a_card_and_the_head_that_the_hub_makes_is_none(hub, runs, caplog, card, kept):
    repo = f"begun-{len(card)}"
    hub.add(f"{USER}/{repo}", {"README.md": card.encode()})
    assert push(runs["custom-fc"], repo) == 0
    assert (card_on(hub, repo) == card) is kept
    assert ("--overwrite_card" in caplog.text) is kept


def test_a_run_overwrites_the_card_if_asked(hub, data, tmp_path):
    hub.add(f"{USER}/asked", {"README.md": b"# My model"})
    argv = flags(data, tmp_path / "run", "--push_to_hub", "--hub_model_id", f"{USER}/asked")
    assert run_command(argv) == 0
    assert card_on(hub, "asked") == "# My model"
    assert run_command([*argv, "--overwrite_card"]) == 0
    assert "## Use" in card_on(hub, "asked")


def test_ctrl_c_while_pushing_says_how_to_go_on(hub, runs, capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(HfApi, "create_commit", interrupt)
    assert push(runs["custom-fc"], "ctrl-c") == 4
    assert "(interrupted). The model is on disk" in capsys.readouterr().err


@pytest.mark.parametrize("head", ["license: [mit, apache-2.0]", "title: a: b", "- a list", "license: caf\xe9"])
def test_a_base_whose_card_is_odd_is_tuned_and_pushed(hub, runs, data, tmp_path, head):
    base = tmp_path / "base"
    shutil.copytree(runs["bert"], base)
    (base / "README.md").write_bytes(f"---\n{head}\n---\n".encode("latin-1"))
    more = ["--max_steps", 2, "--push_to_hub", "--hub_model_id", f"{USER}/of-odd"]
    assert run_command(flags(data, tmp_path / "run", *more, model=base, settings=())) == 0
    assert ModelCard(hub.files(f"{USER}/of-odd")["README.md"].decode()).data.license == "unknown"


def test_a_push_whose_card_failed_is_completed_later(hub, runs, capsys):
    folder = runs["custom-fc"]
    hub.fail("POST", "/api/validate-yaml", 500, times=1)
    assert push(folder, "half") == 4
    assert "README.md" not in hub.files(f"{USER}/half")
    assert push(folder, "half") == 0
    assert "README.md" in hub.files(f"{USER}/half")


def test_a_run_whose_push_fails_is_trained_and_says_so(hub, data, tmp_path, capsys):
    hub.fail("POST", "/api/repos/create", 403)
    argv = flags(data, tmp_path / "run", "--push_to_hub", "--hub_model_id", f"{USER}/refused")
    assert run_command(argv) == 4
    shown = capsys.readouterr()
    assert "accuracy" in shown.out
    assert (tmp_path / "run" / "report.json").is_file()
    hub.recover()
    assert run_command(argv) == 0


def test_no_hub_at_all_is_said_within_seconds(hub, runs, capsys, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert push(runs["custom-fc"], "nowhere") == 4
    assert "not pushed" in capsys.readouterr().err


def test_a_dry_run_lists_what_would_go_and_sends_nothing(hub, runs, capsys):
    before = len(hub.requests)
    assert push(runs["custom-lstm"], "dry", "--dry_run") == 0
    assert len(hub.requests) == before
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[1] for line in lines[:-1]} == OF_A_MODEL | {
        "base.py",
        "columns.py",
        "recurrent.py",
        "sentences.py",
    }
    assert "nothing was sent" in lines[-1]


def test_a_public_repository_is_not_taken_for_a_private_one(hub, runs, capsys):
    hub.add(f"{USER}/public", {"x.txt": b"x"})
    assert push(runs["custom-fc"], "public", "--hub_private_repo") == 4
    assert "make it private on the Hub, or choose another name" in capsys.readouterr().err
    assert "model.safetensors" not in hub.files(f"{USER}/public")


def test_an_adapter_gives_way_to_a_whole_checkpoint_and_other_files_stay(hub, runs):
    hub.add(f"{USER}/mixed", {"adapter_config.json": b"{}", "labels.json": b"{}", "figure.png": b"x"})
    hub.add(f"{USER}/mixed", {".eval_results/imdb.yaml": b"[]"})
    assert push(runs["custom-fc"], "mixed") == 0
    files = hub.files(f"{USER}/mixed")
    assert not {"adapter_config.json", ".eval_results/imdb.yaml"} & files.keys()
    assert "figure.png" in files
    assert scores(f"{USER}/mixed") == scores(runs["custom-fc"])


def test_an_adapter_is_pushed_with_the_name_of_its_base(hub, runs, capsys):
    assert push(runs["adapter"], "adapter") == 2
    assert "--base_model OWNER/NAME" in capsys.readouterr().err
    assert push(runs["custom-gru"], "its-base") == 0
    assert push(runs["adapter"], "adapter", "--base_model", f"{USER}/its-base") == 0
    files = hub.files(f"{USER}/adapter")
    config = json.loads(files["adapter_config.json"])
    assert config["base_model_name_or_path"] == f"{USER}/its-base"
    assert config["revision"] == hub.commits(f"{USER}/its-base")[-1][0]
    assert ModelCard(files["README.md"].decode()).data.base_model == f"{USER}/its-base"
    assert scores(f"{USER}/adapter") == scores(runs["adapter"])


def test_an_adapter_of_a_hub_model_is_trained_evaluated_and_pushed(hub, runs, data, tmp_path):
    assert push(runs["bert"], "base-bert", "--license", "mit") == 0
    more = ["--tuning", "lora", "--push_to_hub", "--hub_model_id", f"{USER}/lora-bert"]
    assert run_command(flags(data, tmp_path / "lora", *more, model=f"{USER}/base-bert", settings=())) == 0
    report = read_report(tmp_path / "lora")
    card = ModelCard(hub.files(f"{USER}/lora-bert")["README.md"].decode())
    assert card.data.base_model == f"{USER}/base-bert"
    assert card.data.license == "mit", "that of the base"
    assert card.data.library_name == "peft"
    revision = json.loads(hub.files(f"{USER}/lora-bert")["adapter_config.json"])["revision"]
    assert revision == hub.commits(f"{USER}/base-bert")[-1][0], "what was trained on, and not what is there later"
    with pytest.raises(InputError, match=r"--lora_r: .*goes on in its own shape"):
        run_flags(data, tmp_path / "x", "--tuning", "lora", "--lora_r", 3, model=f"{USER}/lora-bert", settings=())
    merge = ["--do_predict", "--merge_adapter"]
    again = run_flags(data, tmp_path / "again", *merge, model=f"{USER}/lora-bert", settings=())
    assert (tmp_path / "again" / "model.safetensors").is_file()
    assert ModelCard.load(tmp_path / "again" / "README.md").data.base_model == f"{USER}/base-bert"
    assert again["test"]["accuracy"] == report["test"]["accuracy"]


REFUSALS = [
    (["--push_to_hub"], "add --hub_model_id"),
    (["--push_to_hub", "--hub_model_id", "a b"], "--hub_model_id a b: expected OWNER/NAME"),
    (["--push_to_hub", "--hub_model_id", "x/y", "--do_predict"], "without --do_train there is no new model"),
    (["--hub_strategy", "checkpoint"], "--hub_strategy checkpoint is not supported"),
    (["--hub_always_push", "true"], "--hub_always_push is not supported"),
]


@pytest.mark.parametrize(("more", "message"), REFUSALS)
def test_flags_that_cannot_be_pushed_with_are_refused_before_training(hub, data, tmp_path, capsys, more, message):
    assert run_command(flags(data, tmp_path / "run", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_a_token_nothing_is_trained_for_a_push(hub, runs, data, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    more = ["--push_to_hub", "--hub_model_id", f"{USER}/x"]
    assert run_command(flags(data, tmp_path / "run", *more)) == 2
    assert push(runs["custom-fc"], "x") == 2
    assert capsys.readouterr().err.count("set HF_TOKEN") == 2
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert push(runs["custom-fc"], "x") == 2


def test_an_adapter_whose_base_is_gone_is_not_pushed_with_its_path(hub, runs, tmp_path, capsys):
    shutil.copytree(runs["adapter"], tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    file.write_text(file.read_text().replace(str(runs["custom-gru"]), "/nowhere/gru"))
    assert push(tmp_path / "adapter", "x") == 2
    assert "an adapter of /nowhere/gru, a folder of this machine" in capsys.readouterr().err


def test_what_is_no_finished_run_is_not_pushed(hub, runs, data, tmp_path, capsys):
    assert push(tmp_path, "x") == 2
    assert "holds no finished run" in capsys.readouterr().err
    run_flags(data, tmp_path / "scored", "--do_predict", model=runs["custom-fc"], settings=())
    assert push(tmp_path / "scored", "x") == 2
    assert "holds no model" in capsys.readouterr().err
    assert push(runs["custom-fc"], "a b") == 2


def test_a_token_is_in_nothing_that_is_written_or_sent(hub, data, tmp_path, capsys):
    more = ["--push_to_hub", "--hub_model_id", f"{USER}/secret"]
    assert run_command([*flags(data, tmp_path / "run", *more), "--hub_token", hub.token]) == 2
    assert run_command(flags(data, tmp_path / "run", *more)) == 0
    hub.fail("POST", "/commit/main", 401)
    assert push(tmp_path / "run", "secret") == 4
    shown = capsys.readouterr()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"TrainingArguments" in content for content in written), "training_args.bin is among them"
    for content in [*written, *hub.files(f"{USER}/secret").values(), shown.out.encode(), shown.err.encode()]:
        assert HUB.token.encode() not in content


def test_a_custom_model_of_the_hub_runs_our_code_and_unknown_code_only_by_the_flag(hub, runs, capsys, tmp_path):
    assert push(runs["custom-gru"], "foreign") == 0
    files = hub.files(f"{USER}/foreign")
    marker = tmp_path / "it-ran"
    hub.add(f"{USER}/foreign", {"recurrent.py": f"open({str(marker)!r}, 'w')\n".encode() + files["recurrent.py"]})
    assert scores(f"{USER}/foreign") == scores(runs["custom-gru"])
    assert not marker.exists(), "the model type is one of ours, so our code is used"
    config = json.loads(files["config.json"]) | {"model_type": "of-another"}
    hub.add(f"{USER}/foreign", {"config.json": json.dumps(config).encode()})
    with pytest.raises(ValueError, match="trust_remote_code"):
        scores(f"{USER}/foreign")
    assert not marker.exists()


def test_a_model_of_the_hub_that_has_changed_is_another_run(hub, runs, data, tmp_path, capsys):
    assert push(runs["bert"], "moving") == 0
    argv = flags(data, tmp_path / "run", "--max_steps", "2", model=f"{USER}/moving", settings=())
    assert run_command(argv) == 0
    assert read_report(tmp_path / "run")["model_revision"] == hub.commits(f"{USER}/moving")[-1][0]
    assert run_command(argv) == 0
    hub.add(f"{USER}/moving", {"notes.txt": b"x"})
    assert run_command(argv) == 2
    assert "holds another run (model_revision:" in capsys.readouterr().err


def test_a_data_set_of_the_hub_is_named_in_the_card(hub, data, tmp_path):
    rows = {f"data/{split}.csv": (data / f"{split}.csv").read_bytes() for split in ("train", "validation", "test")}
    commit = hub.add(f"{USER}/reviews", rows, repo_type="dataset")
    argv = ["--model", "custom-fc", "--dataset", f"{USER}/reviews", "--output_dir", str(tmp_path / "run")]
    argv += ["--max_steps", "4", "--push_to_hub", "--hub_model_id", f"{USER}/of-reviews", "--disable_tqdm", "true"]
    without_validation = ["--eval_strategy", "no", "--load_best_model_at_end", "false"]
    assert run_command([*argv, *without_validation]) == 0
    files = hub.files(f"{USER}/of-reviews")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    card = ModelCard(files["README.md"].decode())
    assert card.data.datasets == [f"{USER}/reviews"]
    assert {result.dataset_revision for result in card.data.eval_results} == {report["data"]["commit"]} == {commit}
    assert f"(https://huggingface.co/datasets/{USER}/reviews)" in card.text
    assert {result.metric_type: result.metric_value for result in card.data.eval_results}["accuracy"] == (
        report["test"]["accuracy"]
    )
    (entry,) = yaml.safe_load(files[".eval_results/reviews.yaml"])
    assert entry["dataset"]["id"] == f"{USER}/reviews"
    assert entry["value"] == report["test"]["accuracy"]
    argv[argv.index("--output_dir") + 1] = str(tmp_path / "sampled")
    argv[argv.index("--hub_model_id") + 1] = f"{USER}/of-some-reviews"
    assert (
        run_command(
            [*argv, "--max_predict_samples", "6", "--eval_strategy", "no", "--load_best_model_at_end", "false"]
        )
        == 0
    )
    files = hub.files(f"{USER}/of-some-reviews")
    assert not any(".eval_results" in name for name in files), "a sample is not the benchmark"
    assert ModelCard(files["README.md"].decode()).data.eval_results[0].dataset_split is None


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_with_a_warm_cache_all_works_offline(hub, runs, data, tmp_path, monkeypatch, kind):
    rows = {f"{split}.csv": (data / f"{split}.csv").read_bytes() for split in ("train", "validation", "test")}
    if kind == "parquet":
        rows = {f"{Path(name).stem}.parquet": parquet(content) for name, content in rows.items()}
    hub.add(f"{USER}/warm-{kind}", rows, repo_type="dataset")
    for name in ("bert", "custom-gru"):
        assert push(runs[name], f"warm-{name}") == 0
    assert push(runs["adapter"], "warm-adapter", "--base_model", f"{USER}/warm-custom-gru") == 0
    argv = ["--dataset", f"{USER}/warm-{kind}", "--max_steps", "2", "--disable_tqdm", "true", "--output_dir"]
    models = {f"{USER}/warm-bert": ["--tuning", "lora"], f"{USER}/warm-adapter": ["--tuning", "lora"]}
    for model, more in models.items():
        assert run_command([*argv, str(tmp_path / "online" / model), "--model", model, *more]) == 0
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = len(hub.requests)
    for model, more in models.items():
        assert run_command([*argv, str(tmp_path / "offline" / model), "--model", model, *more]) == 0
        online, offline = (read_report(tmp_path / place / model) for place in ("online", "offline"))
        assert online["test"] == offline["test"]
    assert len(hub.requests) == before


def test_the_limit_counts_what_comes_from_the_hub(hub, tmp_path, capsys):
    rows = "text,label\n" + f"{'good ' * 1000},pos\n{'bad ' * 1000},neg\n" * 500
    hub.add(f"{USER}/large", {"train.parquet": parquet(rows.encode())}, "dataset")
    argv = ["--dataset", f"{USER}/large", "--model", "custom-fc", "--output_dir", str(tmp_path / "run")]
    assert run_command([*argv, "--max_data_bytes", "1000"]) == 2
    assert "more than 1,000 bytes once unpacked, and 50 times their size; raise" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def parquet(content: bytes) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.csv.read_csv(io.BytesIO(content)), file)
    return file.getvalue()


def test_labels_and_names_from_the_data_are_text_in_the_card_and_not_markup(hub, tmp_path):
    labels = ("<b>|`good`", "bad: 'x'\n---\nlicense: mit")
    rows = [(f"{word} film", label) for word, label in zip(("good", "bad"), labels, strict=True) for _ in range(20)]
    file = write_csv(tmp_path / "a: [data] | set.csv", rows)
    argv = ["--model", "custom-fc", "--train_file", str(file), "--output_dir", str(tmp_path / "run")]
    assert run_command([*argv, "--max_steps", "4", "--disable_tqdm", "true", "--min_frequency", "1"]) == 0
    text = (tmp_path / "run" / "README.md").read_text()
    card = ModelCard(text)
    assert card.data.license == "unknown"
    assert sorted(card.data.labels) == sorted(labels)
    assert card.data.eval_results[0].dataset_name == "a: [data] | set"
    outside = "".join(card.text.split("```")[::2])
    assert "<b>" not in outside
    tables = [line for line in outside.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} <= {4, 5, 6, 7}
    assert escape_markdown(labels[0]) in outside
    assert push(tmp_path / "run", "odd") == 0


def test_the_card_is_made_of_the_report(runs):
    for name in ("custom-lstm", "bert", "adapter"):
        report = json.loads((runs[name] / "report.json").read_text())
        text = (runs[name] / "README.md").read_text()
        assert f"| test | {report['test']['accuracy']:.2%} |" in text
        for label, counts in zip(report["labels"], report["test"]["confusion"], strict=True):
            assert f"| {label} | {counts[0]} | {counts[1]} |" in text
        assert report["fingerprint"][:12] in text
        assert str(runs[name]) not in text, "no path of this machine"
        assert str(runs[name].parent) not in text


def test_a_link_to_a_file_elsewhere_is_not_pushed(hub, runs, tmp_path, capsys):
    folder = Path(shutil.copytree(next(iter(runs.values())), tmp_path / "run"))
    (tmp_path / "token").write_text("a secret")
    (folder / "chat_template.jinja").symlink_to(tmp_path / "token")
    assert push(folder, "linked") == 2
    assert "chat_template.jinja is a link to" in capsys.readouterr().err
