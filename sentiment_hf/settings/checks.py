"""Refuse flags before anything is loaded: values out of range, contradictions, what a model cannot do."""

import dataclasses
from collections.abc import Set
from pathlib import Path
from typing import Any

from sentiment_hf.common.characters import require_utf8_name
from sentiment_hf.common.class_names import parse_label_map
from sentiment_hf.common.errors import InputError, did_you_mean, suggestion
from sentiment_hf.settings.arguments import TOKENIZERS, DataArguments, RunArguments, RunSpec, TokenizerArguments
from sentiment_hf.settings.csv_settings import CsvSettings
from sentiment_hf.settings.model_ref import LANGUAGE_MODELS, Kind, is_path
from sentiment_hf.settings.ranges import check_ranges

PUSHED_ONCE = "a finished run is pushed, once"

# Flags of `TrainingArguments` that may have only one value here, and the reason.
FIXED = {
    "hub_token": (None, "a command line is seen by others; set HF_TOKEN, or `hf auth login`"),
    "hub_always_push": (False, PUSHED_ONCE),
    "hub_revision": (None, "a run is pushed to the main branch"),
    "resume_from_checkpoint": (
        None,
        "the same command goes on from the last checkpoint in its --output_dir by itself",
    ),
    "restore_callback_states_from_checkpoint": (True, "a resumed run goes on as if it had not been interrupted"),
    "save_only_model": (False, "an interrupted run needs its optimizer to go on"),
    "prediction_loss_only": (False, "the scores are made of the predictions"),
    "batch_eval_metrics": (False, "the scores are those of all rows at once"),
    "eval_do_concat_batches": (True, "the scores are those of all rows at once"),
}

# The metrics that some task logs at each evaluation, by which the best checkpoint can be chosen.
METRICS = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "f1_micro", "f1_samples", "subset_accuracy")
METRICS += ("rmse", "mae", "r2", "spearman", "quadratic_kappa", "within_one", "loss")

# Flags of a new tokenizer. A checkpoint has its own tokenizer.
NEW_TOKENIZER_FLAGS = ("tokenizer", "vocab_size", "min_frequency", "lowercase")

# Flags of the texts that are longer than --max_seq_length, and the models that can be hierarchical.
LONG_TEXT_FLAGS = ("long_texts", "window_stride", "window_pooling")
HIERARCHICAL_MODELS = ("custom-rnn", "custom-gru", "custom-lstm")

# Flags of a new adapter. A saved adapter keeps its settings.
NEW_ADAPTER_FLAGS = ("lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "lora_modules_to_save")
NEW_ADAPTER_FLAGS += ("use_dora", "use_rslora")

# Flags of a baseline. All other flags are for neural models and their training.
BASELINE_FLAGS = {"model_name_or_path", "config", "output_dir", "overwrite", "seed", "num_cpu_threads", "disable_tqdm"}
BASELINE_FLAGS |= {"metric_for_best_model", "class_weights", "refit", "dry_run", "profile", "side_by_side"}
BASELINE_FLAGS |= {"tokenizer", "lowercase", *(field.name for field in dataclasses.fields(DataArguments))}
BASELINE_FLAGS |= {"do_train", "do_eval", "do_predict", "calibrate"}
BASELINE_FLAGS -= {"unlabelled_file", "max_unlabelled_samples"}

NO_ADAPTER = "--merge_adapter wants an adapter: one trained by --tuning lora, or a finished one as --model"


def check_spec(spec: RunSpec) -> None:
    """Check each value, and the values together.

    Raises:
        InputError: a value is out of range, or flags contradict each other or the model.
    """
    values = spec.values()
    check_values(values)
    require_utf8_name(values["output_dir"], "--output_dir")
    parse_label_map(spec.data.label_map)
    CsvSettings.parse(spec.data.csv_delimiter, spec.data.csv_quote)
    if spec.data.columns_as_text and not spec.data.extra_column_names and spec.training["do_train"]:
        raise InputError("--columns_as_text writes columns in front of the text: name them by --extra_column_names")
    check_model(spec)
    check_tokenizer(spec)
    check_long_texts(spec)
    check_push(spec)
    check_strategies(values)
    check_training(values)
    if spec.run.refit and not spec.training["do_train"]:
        raise InputError("--refit trains a second time, and without --do_train there is no first; leave it out")
    if spec.run.dry_run and not spec.training["do_train"]:
        raise InputError("--dry_run rehearses a training, and --do_train is not given; leave it out")
    check_task(spec.data)
    check_teacher(spec)
    check_adversarial(spec)
    check_objective(spec)
    if spec.metric not in METRICS:
        raise InputError(f"--metric_for_best_model {spec.metric} is not logged{did_you_mean(spec.metric, METRICS)}")
    if values["length_bucketing"] and values["train_sampling_strategy"] != "random":
        raise InputError(
            f"--train_sampling_strategy {values['train_sampling_strategy']} has no effect while batches are made "
            "of texts of similar length; add --length_bucketing false"
        )


def check_teacher(spec: RunSpec) -> None:
    """Refuse a teacher that knows nothing, or has nothing to teach, and texts without labels that nobody reads."""
    data, teacher = spec.data, spec.teacher
    if not teacher:
        if data.unlabelled_file and spec.run.objective == "labels" and spec.run.adversarial != "vat":
            raise InputError(
                "--unlabelled_file: texts without labels teach nothing by themselves; add --teacher or --adversarial "
                "vat, or learn their words by `sentiment-hf pretrain`"
            )
    elif teacher.is_new:
        raise InputError(f"--teacher {teacher.name} is not trained: train it first, then name the folder of its run")
    elif not spec.training["do_train"]:
        raise InputError("--teacher teaches a training, and --do_train is not given; leave it out")
    if data.unlabelled_file and data.extra_column_names:
        raise InputError(
            "--unlabelled_file has texts alone, and --extra_column_names reads columns beside them; leave out one"
        )
    if data.max_unlabelled_samples is not None and not data.unlabelled_file:
        raise InputError("--max_unlabelled_samples is a number of texts of --unlabelled_file, which is not given")


# Flags that say something of labels, or of models that have them, and their values if they are not given.
OF_LABELS = {"teacher": None, "class_weights": None, "pos_weight": None, "regression_loss": None, "ordinal_head": None}
OF_LABELS |= {"tuning": "full", "refit": False, "merge_adapter": False, "embed_with": None, "long_texts": None}
OF_LABELS |= {
    "adversarial": None,
    "extra_column_names": None,
    "predict_unlabelled": False,
    "label_smoothing_factor": 0.0,
}


def check_objective(spec: RunSpec) -> None:
    """Refuse a language model of what predicts no words, and flags that are for classifiers."""
    if spec.run.objective == "labels":
        return
    values, model = spec.values(), spec.model
    if model.is_new and model.name not in LANGUAGE_MODELS:
        raise InputError(
            f"--model {model.name} predicts no words; expected {', '.join(LANGUAGE_MODELS)}, or a checkpoint"
        )
    if model.kind is Kind.ADAPTER:
        raise InputError(f"--model {model.name} is an adapter; a language model is trained whole: merge it first")
    if not model.is_new and (spec.new_model.model_config or spec.new_model.word_vectors):
        raise InputError("--model_config and --word_vectors shape a new custom model; this --model is a checkpoint")
    if used := [name for name, unset in OF_LABELS.items() if values[name] != unset]:
        raise InputError(f"--{used[0]} is for classifiers, and a language model has no labels; leave it out")
    if not spec.training["do_train"]:
        raise InputError("a language model is trained, and --do_train is not given; leave out --do_eval")
    if spec.metric != "loss":
        raise InputError(f"--metric_for_best_model {spec.metric}: a language model is chosen by its loss")


def check_adversarial(spec: RunSpec) -> None:
    """Refuse --adversarial where no vectors of words are trained, or where the passes cannot be watched."""
    run = spec.run
    if not run.adversarial:
        if run.adversarial_epsilon != RunArguments.adversarial_epsilon:
            raise InputError("--adversarial_epsilon is how far --adversarial moves vectors, which is not given")
        return
    if spec.model.model_type == "custom-ngram":
        raise InputError("--adversarial moves word vectors, and custom-ngram has scores of n-grams; leave it out")
    if spec.embed_with:
        raise InputError("--adversarial moves word vectors, and those of --embed_with are fixed; leave out one")
    if spec.training["torch_compile"]:
        raise InputError("--adversarial watches each pass, which --torch_compile does not allow; leave out one")


def check_task(data: DataArguments) -> None:
    """Refuse flags of the labels that contradict each other or --task."""
    named = [name for name in ("label_column_name", "label_column_names", "label_delimiter") if getattr(data, name)]
    if data.label_column_names and len(named) > 1:
        flag = next(name for name in named if name != "label_column_names")
        raise InputError(
            f"--label_column_names has a column for each label, and --{flag} is for one; drop one of them."
        )
    several = "label_column_names" if data.label_column_names else "label_delimiter"
    if getattr(data, several) is not None and data.task not in (None, "multi_label"):
        raise InputError(f"--{several} is for several labels per text, and --task is {data.task}; drop one of them.")
    if data.label_delimiter == "":
        raise InputError("--label_delimiter is empty; expected what stands between two labels, such as |")
    if data.rare_classes == "merge" and data.min_class_rows is None:
        raise InputError("--rare_classes merge wants to know which classes are rare: add --min_class_rows N.")
    if data.label_order is not None and data.task != "ordinal":
        raise InputError("--label_order is the order of the classes of --task ordinal; add that, or leave it out.")


def check_values(values: dict[str, Any]) -> None:
    """Check each value by itself."""
    check_ranges(values)
    for name, (value, reason) in FIXED.items():
        if values[name] != value:
            # The message does not show the value, which may be a secret.
            raise InputError(f"--{name} is not supported: {reason}")


def check_baseline(spec: RunSpec, named: Set[str]) -> None:
    """Refuse flags that a baseline does not have. `named` are those in the recipe and on the command line."""
    name = spec.model.name
    if unused := [flag for flag in LONG_TEXT_FLAGS if flag in named]:
        raise InputError(f"--{unused[0]}: a baseline such as {name} reads every text whole; leave it out")
    if unused := sorted(named - BASELINE_FLAGS):
        raise InputError(
            f"{', '.join(f'--{flag}' for flag in unused)}: a baseline such as {name} has no such setting; it takes "
            f"{', '.join(f'--{flag}' for flag in sorted(BASELINE_FLAGS))}"
        )
    if named & {"do_train", "do_eval", "do_predict"} and not (spec.training["do_train"] and spec.training["do_eval"]):
        raise InputError(
            f"--do_predict: {name} is fitted and validated in one; --do_train --do_eval leaves test out, and without "
            "any of the three it is scored too"
        )
    if name == "baseline-lexicon" and (unused := sorted(named & {"tokenizer", "lowercase"})):
        raise InputError(f"--{unused[0]}: {name} finds English words by itself, and capitals are emphasis to it")
    if name == "baseline-majority" and spec.run.class_weights:
        raise InputError(f"--class_weights: {name} predicts the most frequent class, and weighted classes have none")
    if spec.tokenizer.tokenizer not in ("word", "char"):
        raise InputError(
            f"--tokenizer {spec.tokenizer.tokenizer}: {name} counts words or characters; expected word or char"
        )


def check_unused(spec: RunSpec, given: Set[str]) -> None:
    """Refuse flags on the command line (`given`) of a tokenizer or an adapter that the run does not make."""
    model, tuning = spec.model, spec.tuning.tuning
    unused = [f"--{name}" for name in NEW_TOKENIZER_FLAGS if name in given]
    source = spec.embed_with or (None if model.is_new else model)
    if unused and source:
        raise InputError(f"{', '.join(unused)}: {source.flag} {source.name} brings its own tokenizer")
    check_vocabulary(spec, given)
    unused = [f"--{name}" for name in NEW_ADAPTER_FLAGS if name in given]
    if unused and model.kind is Kind.ADAPTER:
        raise InputError(f"{', '.join(unused)}: --model {model.name} is an adapter, which goes on in its own shape")
    if unused and tuning != "lora":
        raise InputError(f"{', '.join(unused)} shapes an adapter, and --tuning {tuning} has none: add --tuning lora")


def check_vocabulary(spec: RunSpec, given: Set[str]) -> None:
    """Refuse flags of a vocabulary that is learned, if --tokenizer has one."""
    name = spec.tokenizer.tokenizer
    learned = ("vocab_size", "min_frequency") if name == "bytes" else ()
    learned = NEW_TOKENIZER_FLAGS[1:] if spec.tokenizer_ref else learned
    if unused := [f"--{name}" for name in learned if name in given]:
        raise InputError(f"{', '.join(unused)}: --tokenizer {name} has its vocabulary already; leave it out")


def check_patience(values: dict[str, Any], recipe: Set[str], given: Set[str]) -> None:
    """Refuse a patience without evaluation, which would never end a run. `recipe` and `given` are names of flags.

    A patience in the recipe has no effect if the flag --eval_strategy no is given: the flag overrides the recipe.
    """
    if values["eval_strategy"] != "no" or values["early_stopping_patience"] is None:
        return
    if "early_stopping_patience" in given or "eval_strategy" in recipe - given:
        raise InputError(
            f"--early_stopping_patience {values['early_stopping_patience']} counts evaluations, and --eval_strategy "
            "is no; leave out one of them"
        )


def check_model(spec: RunSpec) -> None:
    """Refuse flags that do not fit the model: a new model, a checkpoint or an adapter."""
    model, tuning, encoder = spec.model, spec.tuning, spec.embed_with
    if not model.is_new and model.kind in (Kind.BASELINE, Kind.ENSEMBLE, Kind.ONNX):
        raise InputError(f"--model {model.name}: this folder is no checkpoint but a finished {model.kind}")
    model.require_base()
    if not spec.training["do_train"]:
        model.require_task()
    if model.is_new and tuning.tuning != "full":
        raise InputError(
            f"--tuning {tuning.tuning} leaves most weights as they are, and those of a new {model.name} know nothing; "
            "train it first, then give its folder as --model"
        )
    if model.is_new and tuning.attention_dropout is not None:
        raise InputError(
            "--attention_dropout is for a checkpoint; a new model has --model_config attention_dropout=0.1"
        )
    if encoder and not model.is_new:
        raise InputError("--embed_with is for a new custom model; a trained one has its encoder with it")
    if encoder and encoder.kind is not Kind.CHECKPOINT:
        raise InputError(f"--embed_with {encoder.name}: expected a whole pretrained checkpoint")
    if encoder and spec.new_model.word_vectors:
        raise InputError("--embed_with and --word_vectors both say what a token looks like; keep one of them")
    if tuning.merge_adapter and (model.is_new or (spec.training["do_train"] and tuning.tuning != "lora")):
        raise InputError(NO_ADAPTER)


def check_tokenizer(spec: RunSpec) -> None:
    """Refuse a --tokenizer that is neither a kind, a file, a folder nor what can be a Hub id."""
    ref = spec.tokenizer_ref
    if ref is None or ref.folder:
        return
    if is_path(ref.name) or (hint := suggestion(ref.name, TOKENIZERS)):
        hint = "" if is_path(ref.name) else hint
        raise InputError(
            f"--tokenizer {ref.name}: no such file or folder{hint}; expected {', '.join(TOKENIZERS)}, a "
            "tokenizer.json, a folder with one, or a Hub id"
        )


def check_long_texts(spec: RunSpec) -> None:
    """Refuse flags of windows without windows, or with a cut, and hierarchical models other than recurrent ones."""
    options, model = spec.tokenizer, spec.model
    if options.long_texts == "windows":
        if options.truncation:
            raise InputError(
                f"--truncation {options.truncation} cuts long texts, and --long_texts windows reads them whole; leave "
                "one of them out"
            )
    elif options.window_stride is not None or options.window_pooling != TokenizerArguments.window_pooling:
        flag = "--window_stride" if options.window_stride is not None else "--window_pooling"
        raise InputError(f"{flag} is for windows: add --long_texts windows")
    if options.long_texts == "hierarchical" and model.is_new and model.name not in HIERARCHICAL_MODELS:
        raise InputError(
            f"--long_texts hierarchical: {model.name} does not read sentence by sentence; expected "
            f"{', '.join(HIERARCHICAL_MODELS)}, or --long_texts windows"
        )


def check_push(spec: RunSpec) -> None:
    """Refuse a push at another time than the end, without a name, or without a new model."""
    training = spec.training
    if training["hub_strategy"] not in ("every_save", "end"):
        raise InputError(f"--hub_strategy {training['hub_strategy']} is not supported: {PUSHED_ONCE}")
    if training["push_to_hub"] and not training["hub_model_id"]:
        raise InputError("--push_to_hub wants to know where to: add --hub_model_id OWNER/NAME")
    if training["push_to_hub"] and not training["do_train"] and not spec.tuning.merge_adapter:
        raise InputError(
            "--push_to_hub: without --do_train there is no new model; push a finished run by `sentiment-hf push`"
        )


def check_strategies(values: dict[str, Any]) -> None:
    """Refuse strategies and steps that TrainingArguments would refuse too, but only after torch is imported."""
    for action in ("logging", "eval", "save"):
        steps = values[f"{action}_steps"]
        if values[f"{action}_strategy"] == "steps" and steps and steps > 1 and steps != int(steps):
            raise InputError(f"--{action}_steps {steps}: expected a whole number, or a share of all steps below 1")
    if values["logging_strategy"] == "steps" and not values["logging_steps"]:
        raise InputError("--logging_steps 0: nothing would be logged; expected at least 1, or --logging_strategy no")
    if values["save_strategy"] == "steps" and not values["save_steps"]:
        raise InputError("--save_steps 0: nothing would be saved; expected at least 1, or --save_strategy no")
    # Without --eval_steps, `Trainer` evaluates as often as it logs.
    every = values["eval_steps"] or values["logging_steps"]
    if values["eval_strategy"] == "steps" and every <= 0:
        raise InputError("--eval_strategy steps wants to know how often: add --eval_steps N")
    if not values["load_best_model_at_end"] or values["save_strategy"] == "best":
        return
    if values["eval_strategy"] != values["save_strategy"]:
        raise InputError(
            f"--save_strategy {values['save_strategy']} and --eval_strategy {values['eval_strategy']}: the best "
            "checkpoint is kept, so each one is evaluated; give the two the same value, or add "
            "--load_best_model_at_end false"
        )
    if values["eval_strategy"] == "steps" and not is_multiple(values["save_steps"], every):
        raise InputError(
            f"--save_steps {values['save_steps']:g} is no multiple of --eval_steps {every:g}: the best checkpoint is "
            "kept, so each one is evaluated"
        )


def is_multiple(save_steps: float, eval_steps: float) -> bool:
    """Whether each saving is at an evaluation. Values below 1 are shares of all steps, compared in millionths."""
    if save_steps % eval_steps == 0:
        return True
    if save_steps < 1 and eval_steps < 1:
        return (save_steps * 1_000_000) % (eval_steps * 1_000_000) == 0
    return False


def check_training(values: dict[str, Any]) -> None:
    """Refuse other contradictions; most TrainingArguments would refuse too, but only after torch is imported."""
    least, most = values["least_steps"], values["most_steps"]
    if least and most and least > most:
        raise InputError(f"--least_steps {least} is more than --most_steps {most}")
    for suffix in ("", "_full_eval"):
        if values[f"fp16{suffix}"] and values[f"bf16{suffix}"]:
            raise InputError(f"--fp16{suffix} and --bf16{suffix}: numbers have one format; keep one of them")
    if values["lr_scheduler_type"] in ("reduce_lr_on_plateau", "greedy") and values["eval_strategy"] == "no":
        raise InputError(
            f"--lr_scheduler_type {values['lr_scheduler_type']} goes by validation, and --eval_strategy is no"
        )
    for name in ("accelerator_config", "fsdp_config"):
        text = values[name]
        if isinstance(text, str) and not text.startswith("{") and not Path(text).is_file():
            raise InputError(f"--{name} {text}: no such file; expected one with a JSON object, or the object itself")
    if values["dataloader_prefetch_factor"] is not None and values["dataloader_num_workers"] == 0:
        raise InputError(
            "--dataloader_prefetch_factor is for processes that fetch data: add --dataloader_num_workers N"
        )
