"""Every recipe is understood, says how it is run, and fits every data set."""

import shlex
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from transformers import AutoConfig

from custom_models import MODEL_NAMES
from custom_models.language import LSTMForCausalLM
from sentiment_hf.settings.run_flags import parse_run

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "configs").glob("*.yaml"))
LAUNCHES = sorted((ROOT / "configs" / "accelerate").glob("*.yaml"))
assert RECIPES
assert LAUNCHES

each_recipe = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
each_launch = pytest.mark.parametrize("path", LAUNCHES, ids=lambda path: path.stem)


def commands(path: Path) -> list[list[str]]:
    """The words behind scripts/run.py in the commands that the opening comment gives."""
    opening = path.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    lines = [line.lstrip("# ") for line in opening if line.startswith("#") and "accelerate launch" in line]
    found = [shlex.split(line[line.index("accelerate launch") :]) for line in lines]
    return [words[words.index("scripts/run.py") + 1 :] for words in found]


def model_words(argv: list[str]) -> list[str]:
    """The --model of a command, if it has one."""
    return argv[argv.index("--model") :][:2] if "--model" in argv else []


@pytest.fixture
def language_model(tmp_path, monkeypatch):
    """The folder out/words of the recipes for classifiers that begin as language models, in the current folder."""
    settings = {"vocab_size": 30, "embedding_size": 4, "hidden_size": 4, "pad_token_id": 0}
    LSTMForCausalLM(AutoConfig.for_model("custom-lstm", **settings)).save_pretrained(tmp_path / "out" / "words")
    for name in ("configs", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)


@each_recipe
def test_a_recipe_opens_with_the_command_that_runs_it(path, language_model):
    assert path.read_text(encoding="utf-8").startswith("# accelerate launch ")
    (argv, *_) = commands(path)
    by_path = parse_run(["--config", str(path), *model_words(argv)])
    assert parse_run(argv).run.config == by_path.run.config


@each_recipe
def test_every_key_of_a_recipe_reaches_its_setting(path, language_model):
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings = parse_run(["--config", str(path), *model_words(commands(path)[0])]).values()
    for name, value in recipe.items():
        found = settings["model_name_or_path" if name == "model" else name]
        expected = float(value) if isinstance(found, float) else value
        assert found == expected, name


@each_recipe
def test_a_recipe_names_no_data_set(path):
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert not {"dataset", "dataset_name", "dataset_config_name", "train_file"} & recipe.keys()


@each_recipe
def test_a_recipe_names_settings_and_files_that_exist(path):
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(recipe, dict)
    assert "output_dir" not in recipe


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_custom_model_has_a_recipe(name):
    assert ROOT / "configs" / f"{name}.yaml" in RECIPES


@each_launch
def test_a_launch_config_is_read_by_accelerate_and_opens_with_its_command(path):
    assert load_config_from_file(str(path)).num_processes == {"one-process": 1, "ddp-nodes": 8}.get(path.stem, 2)
    (argv, *_) = commands(path)
    assert model_words(argv) or "configs/transformer-800m.yaml" in argv
    assert f"--config_file configs/accelerate/{path.name}" in path.read_text(encoding="utf-8")
    assert parse_run(argv).run.config
