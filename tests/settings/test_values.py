"""What each of sixty command lines sets, and that it sets nothing else."""

import dataclasses
import shlex

import pytest
from transformers import TrainingArguments

from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.parser import DEFAULTS, GROUPS, run_flags
from sentiment_hf.settings.run_flags import parse_run

# Words, and the flags that they give another value than without them, the model aside. An empty recipe is in place of
# the model's own.
TABLE = [
    ("--model custom-fc", {}),
    ("--model=custom-gru", {}),
    ("--model_name_or_path custom-rnn --seed 7", {"seed": 7}),
    ("--model-name-or-path=custom-textcnn --max-steps=9", {"max_steps": 9}),
    ("--model custom-lstm --no_lowercase", {"lowercase": False}),
    (
        "--model custom-lstm --no-lowercase --vocab-size 50 --min_frequency 1 --tokenizer bpe",
        {"tokenizer": "bpe", "vocab_size": 50, "min_frequency": 1, "lowercase": False},
    ),
    ("--model custom-transformer --lowercase false", {"lowercase": False}),
    ("--model custom-attention --lowercase", {}),
    ("--model custom-ngram --num_train_epochs 2", {"num_train_epochs": 2.0}),
    ("--model baseline-nb-svm --tokenizer char --max_train_samples 5", {"tokenizer": "char", "max_train_samples": 5}),
    ("--model baseline-lexicon --overwrite --disable_tqdm true", {"overwrite": True, "disable_tqdm": True}),
    ("--model me/bert", {}),
    ("--model me/bert --tuning lora", {"tuning": "lora"}),
    ("--model me/bert --tuning head --model_revision v2", {"model_revision": "v2", "tuning": "head"}),
    (
        "--model me/bert --tuning lora --lora_r 4 --lora_alpha 8 --lora_dropout 0.1 --use_dora --use_rslora yes",
        {"tuning": "lora", "lora_r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "use_dora": True, "use_rslora": True},
    ),
    (
        "--model me/bert --tuning lora --lora_target_modules query value --lora_modules_to_save pooler",
        {"tuning": "lora", "lora_target_modules": ["query", "value"], "lora_modules_to_save": ["pooler"]},
    ),
    ("--model me/bert --do_predict", {"max_seq_length": None, "do_train": False, "do_eval": False}),
    ("--model me/bert --do_eval --max_seq_length 99", {"max_seq_length": 99, "do_train": False, "do_predict": False}),
    (
        "--model me/bert --do_eval --merge_adapter",
        {"max_seq_length": None, "merge_adapter": True, "do_train": False, "do_predict": False},
    ),
    ("--model me/bert --trust_remote_code", {"trust_remote_code": True}),
    (
        "--model me/bert --trust-remote-code 1 --attention_dropout 0.2",
        {"trust_remote_code": True, "attention_dropout": 0.2},
    ),
    ("--model me/bert --truncation head-tail", {"truncation": "head-tail"}),
    ("--model custom-gru --embed_with me/encoder", {"embed_with": "me/encoder"}),
    ("--model custom-gru --word_vectors vectors.txt", {"word_vectors": "vectors.txt"}),
    ("--model custom-fc --model_config a=1 b=2 --model_config a=3", {"model_config": ["a=3", "b=2"]}),
    ("--model custom-fc --learning-rate 0.5 --weight_decay 1e-2", {"learning_rate": 0.5, "weight_decay": 0.01}),
    (
        "--model custom-fc --learning_rate=3e-4 --lr_scheduler_type cosine --warmup_steps 0.1",
        {"learning_rate": 0.0003, "lr_scheduler_type": "cosine", "warmup_steps": 0.1},
    ),
    ("--model custom-fc --eval_strategy no", {"eval_strategy": "no", "load_best_model_at_end": False}),
    ("--model custom-fc --save_strategy no", {"save_strategy": "no", "load_best_model_at_end": False}),
    ("--model custom-fc --save_strategy best", {"save_strategy": "best"}),
    ("--model custom-fc --eval_strategy steps", {"eval_strategy": "steps", "save_strategy": "steps"}),
    (
        "--model custom-fc --eval_strategy steps --eval_steps 7",
        {"eval_strategy": "steps", "eval_steps": 7.0, "save_strategy": "steps", "save_steps": 7.0},
    ),
    (
        "--model custom-fc --eval_strategy steps --eval_steps 7 --save_steps 14",
        {"eval_strategy": "steps", "eval_steps": 7.0, "save_strategy": "steps", "save_steps": 14.0},
    ),
    (
        "--model custom-fc --eval_strategy steps --eval_steps 0.25",
        {"eval_strategy": "steps", "eval_steps": 0.25, "save_strategy": "steps", "save_steps": 0.25},
    ),
    (
        "--model custom-fc --save_strategy steps --load_best_model_at_end false",
        {"save_strategy": "steps", "load_best_model_at_end": False},
    ),
    (
        "--model custom-fc --load_best_model_at_end no --eval_strategy no",
        {"eval_strategy": "no", "load_best_model_at_end": False},
    ),
    (
        "--model custom-fc --metric_for_best_model eval_loss --greater_is_better no",
        {"metric_for_best_model": "eval_loss", "greater_is_better": False},
    ),
    ("--model custom-fc --logging_strategy no --logging_steps 0", {"logging_strategy": "no", "logging_steps": 0.0}),
    ("--model custom-fc --logging_nan_inf_filter", {"logging_nan_inf_filter": True}),
    ("--model custom-fc --do_train", {"do_eval": False, "do_predict": False}),
    ("--model custom-fc --do_train --do_eval", {"do_predict": False}),
    ("--model custom-fc --do_train y --do_predict n", {"do_eval": False, "do_predict": False}),
    (
        "--model custom-fc --report_to trackio --run_name mine --project other",
        {"report_to": "trackio", "run_name": "mine", "project": "other"},
    ),
    ("--model custom-fc --bf16 --use_cpu", {"bf16": True, "use_cpu": True}),
    ("--model custom-fc --bf16 auto", {"bf16": "auto"}),
    ("--model custom-fc --bf16 Auto --bf16 no", {}),
    ("--model custom-fc --use_cpu false --tf32 f", {"tf32": False, "use_cpu": False}),
    ("--model custom-fc --activation_checkpointing", {"activation_checkpointing": True}),
    ("--model custom-fc --lr_scheduler_kwargs '{\"num_cycles\":2}'", {"lr_scheduler_kwargs": '{"num_cycles":2}'}),
    (
        "--model custom-fc --accelerator_config '{\"even_batches\":false}'",
        {"accelerator_config": '{"even_batches":false}'},
    ),
    (
        "--model custom-fc --dataloader_num_workers 1 --dataloader_prefetch_factor 2 --no_dataloader_pin_memory",
        {"dataloader_num_workers": 1, "dataloader_pin_memory": False, "dataloader_prefetch_factor": 2},
    ),
    (
        "--model custom-fc --no-remove-unused-columns --no_skip_memory_metrics",
        {"remove_unused_columns": False, "skip_memory_metrics": False},
    ),
    (
        "--model custom-fc --label_names labels --include_for_metrics loss inputs",
        {"include_for_metrics": ["loss", "inputs"], "label_names": ["labels"]},
    ),
    ("--model custom-fc --debug underflow_overflow", {"debug": ["underflow_overflow"]}),
    ("--model custom-fc --include_num_input_tokens_seen", {"include_num_input_tokens_seen": True}),
    (
        "--model custom-fc --optim sgd --optim_args a=1 --optim_target_modules attention",
        {"optim": "sgd", "optim_args": "a=1", "optim_target_modules": "attention"},
    ),
    (
        "--model custom-fc --push_to_hub --hub_model_id me/x --hub_private_repo --license mit",
        {"license": "mit", "push_to_hub": True, "hub_private_repo": True, "hub_model_id": "me/x"},
    ),
    (
        "--model custom-fc --train_sampling_strategy sequential --no_length_bucketing",
        {"length_bucketing": False, "train_sampling_strategy": "sequential"},
    ),
    (
        "--model custom-fc --class_weights balanced --early_stopping_patience 3",
        {"early_stopping_patience": 3, "class_weights": "balanced"},
    ),
    (
        "--model custom-fc --checkpoint_verify size --force_resume --overwrite --num_cpu_threads 4",
        {"num_cpu_threads": 4, "overwrite": True, "force_resume": True, "checkpoint_verify": "size"},
    ),
    (
        "--model custom-fc --dataset sample --max_train_samples 10 --max_eval_samples 11 --max_predict_samples 12",
        {"dataset_name": "sample", "max_train_samples": 10, "max_eval_samples": 11, "max_predict_samples": 12},
    ),
    (
        "--model custom-fc --dataset me/data --streaming --max_train_samples 10",
        {"dataset_name": "me/data", "streaming": True, "max_train_samples": 10},
    ),
    (
        "--model custom-fc --dataset_name me/data --dataset_config_name plain --split_seed 3 --deduplicate",
        {"dataset_name": "me/data", "dataset_config_name": "plain", "split_seed": 3, "deduplicate": True},
    ),
    (
        "--model custom-fc --train_file a.csv --validation_file b.csv --test_file c.csv "
        "--text_column_names a,b --text_column_delimiter '|' --label_column_name y",
        {
            "train_file": "a.csv",
            "validation_file": "b.csv",
            "test_file": "c.csv",
            "text_column_names": "a,b",
            "text_column_delimiter": "|",
            "label_column_name": "y",
        },
    ),
    (
        "--model custom-fc --validation_size 0.2 --test_size 0.3 --max_data_bytes 1000",
        {"validation_size": 0.2, "test_size": 0.3, "max_data_bytes": 1000},
    ),
    (
        "--model custom-fc --output_dir out/x --save_total_limit 3 --per_device_train_batch_size 4 "
        "--per_device_eval_batch_size 5",
        {
            "output_dir": "out/x",
            "per_device_train_batch_size": 4,
            "per_device_eval_batch_size": 5,
            "save_total_limit": 3,
        },
    ),
    (
        "--model custom-fc --gradient_accumulation_steps 2 --auto_find_batch_size --max_grad_norm 0 "
        "--label_smoothing_factor 0.1",
        {
            "gradient_accumulation_steps": 2,
            "max_grad_norm": 0.0,
            "label_smoothing_factor": 0.1,
            "auto_find_batch_size": True,
        },
    ),
]

EVERY_PART = dict.fromkeys(("do_train", "do_eval", "do_predict"), True)


@pytest.fixture
def empty_recipe(tmp_path) -> list[str]:
    """The flag for a recipe that sets nothing."""
    (tmp_path / "empty.yaml").touch()
    return ["--config", str(tmp_path / "empty.yaml")]


@pytest.mark.parametrize(("words", "expected"), TABLE, ids=[words for words, _ in TABLE])
def test_a_command_line_sets_what_it_says_and_nothing_else(words, expected, empty_recipe):
    unset = {flag.name: flag.default for flag in run_flags()} | DEFAULTS | EVERY_PART | {"model_config": []}
    found = parse_run([*empty_recipe, *shlex.split(words)]).values()
    assert found.keys() == unset.keys()
    assert found.pop("model_name_or_path") in words
    assert found.pop("config") == empty_recipe[1]
    assert {name: value for name, value in found.items() if value != unset[name]} == expected


def test_the_groups_have_the_defaults_of_their_flags(empty_recipe):
    found = parse_run([*empty_recipe, "--model", "custom-fc"]).values()
    for group in GROUPS:
        for field in dataclasses.fields(group):
            if field.name not in ("model_name_or_path", "model_config", "config"):
                assert found[field.name] == field.default, field.name


def test_only_these_defaults_differ_from_those_of_the_library(empty_recipe):
    training = parse_run([*empty_recipe, "--model", "custom-fc"]).training
    library = {
        field.name: field.default_factory() if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(TrainingArguments)
    }
    assert {name: value for name, value in training.items() if value != library[name]} == {
        "output_dir": "auto",
        "per_device_eval_batch_size": 64,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "restore_callback_states_from_checkpoint": True,
        "logging_nan_inf_filter": False,
        "logging_steps": 50,
        "use_cpu": None,
        **EVERY_PART,
    }


@pytest.mark.parametrize("name", ["wrd", "out/nowhere/tokenizer.json", "./nowhere"])
def test_a_tokenizer_that_is_not_there_is_refused_with_what_is_expected(name):
    with pytest.raises(InputError, match=rf"--tokenizer {name}: no such .*word, bpe, char, bytes, a tokenizer.json"):
        parse_run(["--model", "custom-fc", "--tokenizer", name])


def test_a_file_that_is_no_tokenizer_json_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(InputError, match=r"--tokenizer .*vocab.txt"):
        parse_run(["--model", "custom-fc", "--tokenizer", str(tmp_path / "vocab.txt")])
