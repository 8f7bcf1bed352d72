"""A recipe sets, a flag overrides, and nothing that is misspelt or out of range gets through."""

import dataclasses
import socket

import pytest
from transformers import TrainingArguments

from custom_models import MODEL_NAMES
from sentiment_hf.args import DataArguments, ModelArguments, RunArguments, parse_args
from sentiment_hf.common.errors import InputError
from sentiment_hf.models.load import load_model
from sentiment_hf.recipes import CONFIGS
from sentiment_hf.text.tokenizers import train_tokenizer


def recipe(folder, text: str) -> list[str]:
    """The flag for a recipe with this text."""
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return ["--config", str(path)]


def refusal(argv: list[str]) -> str:
    """What is said of flags that are refused."""
    with pytest.raises(InputError) as refused:
        parse_args(argv)
    return str(refused.value)


def model_with(*settings: str, model: str = "custom-gru"):
    """A fresh model with these --model_config settings."""
    args, *_ = parse_args(["--model", model, "--model_config", *settings])
    tokenizer = train_tokenizer(
        ["good film", "bad film"], "word", vocab_size=20, min_frequency=1, lowercase=True, model_max_length=20
    )
    return load_model(args, ["negative", "positive"], tokenizer)


def test_a_flag_overrides_the_recipe_and_the_recipe_the_default(tmp_path):
    config = recipe(tmp_path, "learning_rate: 0.5\nweight_decay: 0.25\nmax_seq_length: 77\n")
    _, data, _, training = parse_args([*config, "--model", "custom-fc", "--learning_rate", "0.125"])
    assert (training.learning_rate, training.weight_decay, data.max_seq_length) == (0.125, 0.25, 77)
    assert training.seed == TrainingArguments("unused").seed


def test_without_config_a_custom_model_starts_from_its_own_recipe():
    model, _, _, training = parse_args(["--model", "custom-fc"])
    by_name, _, _, same = parse_args(["--model", "custom-fc", "--config", str(CONFIGS / "custom-fc.yaml")])
    assert model.model_config == by_name.model_config
    assert model.model_config
    assert training.learning_rate == same.learning_rate != TrainingArguments("unused").learning_rate


@pytest.mark.parametrize(("written", "number"), [("1e-3", 1e-3), ("2E-4", 2e-4), ("1.5e-3", 1.5e-3), ("1", 1.0)])
def test_a_number_in_yaml_is_a_number(tmp_path, written, number):
    *_, training = parse_args([*recipe(tmp_path, f"learning_rate: {written}\n"), "--model", "custom-fc"])
    assert training.learning_rate == number
    assert isinstance(training.learning_rate, float)


ALIASES = "model_config: [&a [x, x], *a]\n"


@pytest.mark.parametrize("content", [ALIASES, "seed: " + "[" * 5000, "seed: 2024-13-45\n", "seed: " + "1" * 5000])
def test_a_recipe_that_breaks_its_reader_is_refused(tmp_path, content):
    assert "is not YAML" in refusal([*recipe(tmp_path, content), "--model", "custom-fc"])


def test_an_unknown_key_of_a_recipe_is_refused_with_a_suggestion(tmp_path):
    assert "learning_rate" in refusal([*recipe(tmp_path, "lerning_rate: 1\n"), "--model", "custom-fc"])


@pytest.mark.parametrize("word", ["--lerning_rate", "--lerning_rate=3", "--lerning-rate"])
def test_an_unknown_flag_is_refused_with_a_suggestion(word):
    said = refusal(["--model", "custom-fc", word, "1"])
    assert word.split("=")[0] in said
    assert "did you mean 'learning" in said


def test_a_word_that_no_flag_takes_is_refused():
    assert "custom-gru" in refusal(["--model", "custom-fc", "custom-gru"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("eval_strategy: no\n", "quotes"),
        ("tokenizer: words\n", "char"),
        ("learning_rate: fast\n", "learning_rate"),
        ("- learning_rate\n", "flag: value"),
        ("learning_rate: [\n", "YAML"),
        ("learning_rate: null\n", "no value"),
        ("learning_rate: [1, 2]\n", "one number"),
        ("model_config: [256]\n", "hidden_size=256"),
        ("3: 4\n", "3"),
    ],
)
def test_a_recipe_with_a_wrong_value_is_explained(tmp_path, text, said):
    assert said in refusal([*recipe(tmp_path, text), "--model", "custom-fc"])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--seed", "x"], "--seed"),
        (["--tokenizer", "words"], "--tokenizer"),
        (["--learning_rate"], "--learning_rate"),
        (["--model_config", "hidden_size"], "name=value"),
        (["--save_strategy", "epoch", "--eval_strategy", "steps"], "strategy"),
        (["--config", "configs/custom-lsmt.yaml"], "custom-lstm"),
        (["--config"], "--config"),
        (["--do_train", "false"], "nothing is left"),
        (["--metric_for_best_model", "f1"], "f1_macro"),
        (["--per_device_train_batch_size", "0"], "at least 1"),
        (["--gradient_accumulation_steps", "0"], "at least 1"),
        (["--num_cpu_threads", "-1"], "at least 1"),
        (["--learning_rate", "-1"], "at least 0"),
        (["--prediction_loss_only", "true"], "not supported"),
        (["--batch_eval_metrics", "true"], "not supported"),
        (["--eval_do_concat_batches", "false"], "not supported"),
        (["--save_only_model", "true"], "optimizer"),
        (["--resume_from_checkpoint", "/nowhere"], "by itself"),
        (["--train_sampling_strategy", "group_by_length"], "--length_bucketing false"),
    ],
)
def test_a_wrong_value_on_the_command_line_is_an_input_error(argv, said):
    assert said in refusal(["--model", "custom-fc", *argv])


@pytest.mark.parametrize("argv", [[], ["--dataset", "sample"], ["--model"]])
def test_a_missing_model_is_said(argv):
    assert "--model" in refusal(argv)


def test_a_misspelt_custom_model_gets_a_suggestion_and_no_request(monkeypatch):
    def refuse(*args, **kwargs):
        pytest.fail("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert "did you mean 'custom-lstm'" in refusal(["--model", "custom-lsmt"])


def test_model_config_of_recipe_and_flag_are_joined_name_by_name(tmp_path):
    config = recipe(tmp_path, "model_config: [hidden_size=4, dropout=0.1]\n")
    model, *_ = parse_args([*config, "--model", "custom-fc", "--model_config", "hidden_size=8", "num_layers=2"])
    assert model.model_config == ["hidden_size=8", "dropout=0.1", "num_layers=2"]
    model, *_ = parse_args([*config, "--model", "custom-fc", "--model_config", "a=1", "--model_config", "b=2"])
    assert model.model_config == ["hidden_size=4", "dropout=0.1", "a=1", "b=2"]


@pytest.mark.parametrize("name", ["accuracy", "eval_f1_macro", "loss"])
def test_the_best_checkpoint_is_chosen_by_what_is_logged(name):
    *_, training = parse_args(["--model", "custom-fc", "--metric_for_best_model", name])
    assert training.metric_for_best_model == name


def test_a_name_that_begins_like_a_custom_model_is_a_folder_only_with_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "custom-mine").mkdir()
    (tmp_path / "custom-mine" / "config.json").write_text('{"model_type": "custom-gru"}')
    assert "./custom-mine" in refusal(["--model", "custom-mine"])
    assert parse_args(["--model", "./custom-mine"])[2].config == str((CONFIGS / "custom-gru.yaml").resolve())


@pytest.mark.parametrize("content", ["{", "[1]", "null"])
def test_a_damaged_config_of_a_checkpoint_is_said(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert "config.json" in refusal(["--model", str(tmp_path)])


def test_what_shapes_a_trained_tokenizer_is_refused_for_a_checkpoint(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "custom-gru"}')
    said = refusal(["--model", str(tmp_path), "--vocab_size", "100", "--tokenizer=char"])
    assert said.startswith("--tokenizer, --vocab_size: ")


def test_settings_of_a_model_arrive_with_their_types():
    config = model_with("hidden_size=8", "embedding_size=4", "dropout=0", "bidirectional=false", "pooling=mean").config
    assert (config.hidden_size, config.embedding_size, config.dropout) == (8, 4, 0)
    assert (config.bidirectional, config.pooling) == (False, "mean")
    assert model_with("dropout=1e-1").config.dropout == pytest.approx(0.1)
    assert model_with("kernel_sizes=[2,3]", model="custom-textcnn").config.kernel_sizes == [2, 3]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("hidden_sise=8", "did you mean 'hidden_size'"),
        ("hidden_size=abc", "hidden_size"),
        ("hidden_size=1.5", "hidden_size"),
        ("hidden_size=", "hidden_size"),
        ("hidden_size=0", "hidden_size"),
        ("dropout=1", "dropout"),
        ("dropout=-0.5", "dropout"),
        ("dropout=much", "dropout"),
        ("bidirectional=maybe", "bidirectional"),
        ("pooling=median", "pooling"),
        ("vocab_size=7", "vocab_size"),
    ],
)
def test_a_setting_of_a_wrong_name_type_or_range_is_refused(setting, said):
    with pytest.raises(InputError, match="--model_config") as refused:
        model_with(setting)
    assert said in str(refused.value)


def test_a_run_does_all_three_parts_unless_one_is_asked_for():
    def parts(*words):
        *_, training = parse_args(["--model", "custom-fc", *words])
        return training.do_train, training.do_eval, training.do_predict

    assert parts() == (True, True, True)
    assert parts("--do_predict")[0] is False
    assert parts("--do_predict")[2] is True
    assert parts("--do_train", "--do_eval")[::2] == (True, False)


def test_no_flag_of_ours_has_the_name_of_one_of_the_library():
    ours = [field.name for kind in (ModelArguments, DataArguments, RunArguments) for field in dataclasses.fields(kind)]
    assert len(set(ours)) == len(ours)
    theirs = {field.name for field in dataclasses.fields(TrainingArguments)}
    assert not theirs & {*ours, "model", "dataset"}


def test_the_settings_of_a_recipe_have_no_say_in_a_saved_model(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "custom-gru"}')
    saved, _, _, training = parse_args(["--model", str(tmp_path)])
    fresh, _, _, same = parse_args(["--model", "custom-gru"])
    assert (saved.model_config, training.learning_rate) == ([], same.learning_rate)
    assert fresh.model_config


def test_the_error_for_a_missing_model_names_all_custom_ones():
    said = refusal([])
    assert all(name in said for name in MODEL_NAMES)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("epoch", "epoch", True)),
        (["--eval_strategy", "no"], ("no", "epoch", False)),
        (["--save_strategy", "no"], ("epoch", "no", False)),
        (["--eval_strategy", "steps", "--eval_steps", "7"], ("steps", "steps", True)),
    ],
)
def test_saving_goes_along_with_evaluating(words, expected):
    args = parse_args(["--model", "custom-fc", *words])[3]
    assert (args.eval_strategy.value, args.save_strategy.value, args.load_best_model_at_end) == expected
    assert "--eval_steps" not in words or args.save_steps == args.eval_steps == 7
