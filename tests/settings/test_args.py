"""A recipe sets, a flag overrides, and nothing that is misspelt or out of range gets through."""

import dataclasses
import socket

import pytest
from helpers import is_json
from transformers import TrainingArguments

from custom_models import MODEL_NAMES
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.parser import GROUPS, read_command_line, run_flags
from sentiment_hf.settings.recipes import CONFIGS
from sentiment_hf.settings.run_flags import parse_run, saving_as_evaluating


def recipe(folder, text: str) -> list[str]:
    """The flag for a recipe with this text."""
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return ["--config", str(path)]


def refusal(argv: list[str]) -> str:
    """What is said of flags that are refused."""
    with pytest.raises(InputError) as refused:
        parse_run(argv)
    return str(refused.value)


def values(*argv: str) -> dict:
    """Each flag by its name."""
    return parse_run(argv).values()


def test_a_flag_overrides_the_recipe_and_the_recipe_the_default(tmp_path):
    config = recipe(tmp_path, "learning_rate: 0.5\nweight_decay: 0.25\nmax_seq_length: 77\n")
    found = values(*config, "--model", "custom-fc", "--learning_rate", "0.125")
    assert (found["learning_rate"], found["weight_decay"], found["max_seq_length"]) == (0.125, 0.25, 77)
    assert found["seed"] == TrainingArguments("unused").seed


def test_without_config_a_custom_model_starts_from_its_own_recipe():
    by_default = values("--model", "custom-fc")
    assert by_default == values("--model", "custom-fc", "--config", str(CONFIGS / "custom-fc.yaml"))
    assert by_default["model_config"]
    assert by_default["learning_rate"] != TrainingArguments("unused").learning_rate


@pytest.mark.parametrize(("written", "number"), [("1e-3", 1e-3), ("2E-4", 2e-4), ("1.5e-3", 1.5e-3), ("1", 1.0)])
def test_a_number_in_yaml_is_a_number(tmp_path, written, number):
    found = values(*recipe(tmp_path, f"learning_rate: {written}\n"), "--model", "custom-fc")["learning_rate"]
    assert found == number
    assert isinstance(found, float)


ALIASES = "model_config: [&a [x, x], *a]\n"


@pytest.mark.parametrize("content", [ALIASES, "seed: " + "[" * 5000, "seed: 2024-13-45\n", "seed: " + "1" * 5000])
def test_a_recipe_that_breaks_its_reader_is_refused(tmp_path, content):
    assert "is not YAML" in refusal([*recipe(tmp_path, content), "--model", "custom-fc"])


@pytest.mark.parametrize(("written", "value"), [("auto", "auto"), ("yes", True), ("false", False), ("1", True)])
def test_a_recipe_takes_the_values_of_the_flag_bf16(tmp_path, written, value):
    assert values(*recipe(tmp_path, f"bf16: {written}\n"), "--model", "custom-fc")["bf16"] is value


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
        ("no_lowercase: true\n", "did you mean 'lowercase'"),
        ("label_names: labels\n", "list of words"),
        ("do_train: [yes]\n", "one value"),
        ("run_name: {a: 1}\n", "one value"),
        ("debug: [everything]\n", "underflow_overflow"),
        ("bf16: perhaps\n", "bf16: expected yes, no or auto"),
        ("fp16: auto\n", "fp16: expected yes or no"),
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
        (["--side_by_side", "0"], "at least 1"),
        (["--learning_rate", "-1"], "at least 0"),
        (["--prediction_loss_only", "true"], "not supported"),
        (["--batch_eval_metrics", "true"], "not supported"),
        (["--eval_do_concat_batches", "false"], "not supported"),
        (["--save_only_model", "true"], "optimizer"),
        (["--resume_from_checkpoint", "/nowhere"], "by itself"),
        (["--train_sampling_strategy", "group_by_length"], "--length_bucketing false"),
        (["--lowercase", "perhaps"], "expected yes or no"),
        (["--bf16", "perhaps"], "--bf16: expected yes, no or auto"),
        (["--fp16", "auto"], "--fp16: expected yes or no"),
        (["--fp16", "--bf16", "auto"], "--fp16 and --bf16"),
        (["--learning_rate", "fast"], "--learning_rate: expected a number, found 'fast'"),
        (["--lr_scheduler_kwargs", '{"a": '], "expected a JSON object"),
        (["--liger_kernel_config", "[1]"], "expected a JSON object"),
        (["--accelerator_config", "nowhere.json"], "nowhere.json: no such file"),
        (["--parallelism_config", "2"], "no such flag"),
        (["--do_train", "no", "--do_eval", "no", "--do_predict", "no"], "nothing is left"),
        (["--help", "everything"], "--help"),
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
    found = values(*config, "--model", "custom-fc", "--model_config", "hidden_size=8", "num_layers=2")
    assert found["model_config"] == ["hidden_size=8", "dropout=0.1", "num_layers=2"]
    found = values(*config, "--model", "custom-fc", "--model_config", "a=1", "--model_config", "b=2")
    assert found["model_config"] == ["hidden_size=4", "dropout=0.1", "a=1", "b=2"]


@pytest.mark.parametrize("name", ["accuracy", "eval_f1_macro", "loss"])
def test_the_best_checkpoint_is_chosen_by_what_is_logged(name):
    assert values("--model", "custom-fc", "--metric_for_best_model", name)["metric_for_best_model"] == name


def test_a_name_that_begins_like_a_custom_model_is_a_folder_only_with_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "custom-mine").mkdir()
    (tmp_path / "custom-mine" / "config.json").write_text('{"model_type": "custom-gru"}')
    assert "./custom-mine" in refusal(["--model", "custom-mine"])
    assert values("--model", "./custom-mine")["config"] == str((CONFIGS / "custom-gru.yaml").resolve())


@pytest.mark.parametrize("content", ["{", "[1]", "null"])
def test_a_damaged_config_of_a_checkpoint_is_said(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert "config.json" in refusal(["--model", str(tmp_path)])


def test_what_shapes_a_trained_tokenizer_is_refused_for_a_checkpoint(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "custom-gru"}')
    said = refusal(["--model", str(tmp_path), "--vocab_size", "100", "--tokenizer=char"])
    assert said.startswith("--tokenizer, --vocab_size: ")


@pytest.mark.parametrize("no", ["--no_lowercase", "--no-lowercase"])
def test_a_no_to_the_tokenizer_counts_as_a_flag_of_it(tmp_path, no):
    assert "brings its own tokenizer" in refusal(["--model", "me/bert", no])
    assert values("--model", "custom-fc", no)["lowercase"] is False


def test_a_run_does_all_three_parts_unless_one_is_asked_for():
    def parts(*words):
        found = values("--model", "custom-fc", *words)
        return found["do_train"], found["do_eval"], found["do_predict"]

    assert parts() == (True, True, True)
    assert parts("--do_predict") == (False, False, True)
    assert parts("--do_train", "--do_eval") == (True, True, False)
    assert parts("--do_train", "--do_eval", "no") == (True, False, False)


def test_no_flag_of_ours_has_the_name_of_one_of_the_library():
    ours = [field.name for kind in GROUPS for field in dataclasses.fields(kind)]
    assert len(set(ours)) == len(ours)
    theirs = {field.name for field in dataclasses.fields(TrainingArguments)}
    assert not theirs & {*ours, "model", "dataset"}


def test_every_field_of_the_library_has_a_value_that_it_takes():
    training = parse_run(["--model", "custom-fc"]).training
    assert training.keys() == {field.name for field in dataclasses.fields(TrainingArguments)}
    assert training["use_cpu"] is None
    assert TrainingArguments(**training | {"use_cpu": True}).learning_rate == training["learning_rate"]


def test_values_can_be_written_as_json_and_belong_to_one_run_alone():
    spec = parse_run(["--model", "custom-fc"])
    assert is_json(spec.values())
    spec.training["include_for_metrics"].append("loss")
    assert parse_run(["--model", "custom-fc"]).training["include_for_metrics"] == []


def test_the_settings_of_a_recipe_have_no_say_in_a_saved_model(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "custom-gru"}')
    saved, fresh = values("--model", str(tmp_path)), values("--model", "custom-gru")
    assert (saved["model_config"], saved["learning_rate"]) == ([], fresh["learning_rate"])
    assert fresh["model_config"]


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
    found = values("--model", "custom-fc", *words)
    assert (found["eval_strategy"], found["save_strategy"], found["load_best_model_at_end"]) == expected
    assert "--eval_steps" not in words or found["save_steps"] == found["eval_steps"] == 7


# What TrainingArguments would refuse after torch is loaded is refused before.
LATE = [
    (["--eval_strategy", "steps", "--eval_steps", "7", "--save_steps", "15"], "no multiple"),
    (["--eval_strategy", "steps", "--eval_steps", "0.1", "--save_steps", "50"], "no multiple"),
    (["--eval_strategy", "steps", "--eval_steps", "1.5"], "--eval_steps 1.5"),
    (["--eval_strategy", "steps", "--eval_steps", "0", "--logging_steps", "-5"], "--logging_steps -5"),
    (["--logging_steps", "0"], "--logging_steps 0"),
    (["--save_strategy", "steps"], "--save_strategy steps and --eval_strategy epoch"),
    (["--load_best_model_at_end", "--eval_strategy", "no"], "--load_best_model_at_end false"),
    (["--fp16", "--bf16"], "--fp16 and --bf16"),
    (["--fp16_full_eval", "--bf16_full_eval"], "--fp16_full_eval and --bf16_full_eval"),
    (["--lr_scheduler_type", "greedy", "--eval_strategy", "no"], "--eval_strategy is no"),
    (["--warmup_steps", "-1"], "at least 0"),
    (["--torch_empty_cache_steps", "0"], "at least 1"),
    (["--dataloader_prefetch_factor", "2"], "--dataloader_num_workers"),
]


@pytest.mark.parametrize(("words", "said"), LATE, ids=lambda words: words[0])
def test_what_the_library_would_refuse_is_refused_before_it_is_loaded(words, said):
    assert said in refusal(["--model", "custom-fc", *words])
    given = {name: value for name, value in read_command_line(words, run_flags()).items() if name != "help"}
    training = parse_run(["--model", "custom-fc"]).training | saving_as_evaluating(given) | given
    with pytest.raises(ValueError, match=r"[a-z]"):
        TrainingArguments(**training | {"use_cpu": True})


@pytest.mark.parametrize(
    "words",
    [
        ["--eval_strategy", "steps", "--eval_steps", "7", "--save_steps", "14"],
        ["--eval_strategy", "steps", "--eval_steps", "0.1", "--save_steps", "0.3"],
        ["--eval_strategy", "steps"],
        ["--save_strategy", "best"],
        ["--save_strategy", "steps", "--load_best_model_at_end", "false"],
        ["--logging_steps", "0", "--logging_strategy", "no"],
        ["--dataloader_prefetch_factor", "2", "--dataloader_num_workers", "1"],
        ["--lr_scheduler_type", "reduce_lr_on_plateau"],
        ["--warmup_steps", "0.1"],
    ],
    ids=" ".join,
)
def test_what_the_library_takes_is_not_refused(words):
    assert TrainingArguments(**parse_run(["--model", "custom-fc", *words]).training | {"use_cpu": True})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--logging_steps", "inf"], "--logging_steps inf: expected a finite number"),
        (["--num_train_epochs", "inf"], "--num_train_epochs inf: expected a finite number"),
        (["--eval_strategy", "steps", "--eval_steps", "nan"], "--eval_steps nan: expected a finite number"),
        (["--learning_rate", "nan"], "--learning_rate nan: expected a finite number"),
        (["--seed", "-1"], "--seed -1 is out of range: expected at least 0 and at most 4294967295"),
        (["--seed", str(2**32)], "--seed 4294967296 is out of range"),
    ],
)
def test_a_number_that_no_run_can_use_is_refused(words, said):
    with pytest.raises(InputError) as refused:
        parse_run(["--model", "custom-fc", "--dataset", "sample", *words])
    assert said in str(refused.value)
