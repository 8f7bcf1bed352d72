"""What a run is told: dataclasses whose fields are flags, and `RunSpec`, which holds them all."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sentiment_hf.settings.model_ref import Kind, ModelRef

TOKENIZERS = ("word", "bpe", "char")
TRUNCATIONS = ("head", "tail", "head-tail")
TUNINGS = ("full", "head", "lora")
VERIFY = ("sha256", "size")

# The value of --output_dir until it is known after which data set and model the folder is called.
AUTO = "auto"


def flag(default: Any, text: str, **metadata: Any) -> Any:
    """A field with the help text of its flag; `metadata` may have choices, aliases, and extends (see `Flag`)."""
    return field(default=default, metadata={"help": text, **metadata})


@dataclass
class ModelArguments:
    """Which model, and from where; these flags become the `ModelRef`s of a run."""

    model_name_or_path: str | None = flag(
        None,
        "A custom model (custom-lstm, ...), a baseline (baseline-nb-svm, ...), a Hub id, or a folder with a "
        "checkpoint.",
        aliases=["--model"],
    )
    model_revision: str = flag("main", "Branch, tag or commit of a Hub model.")
    trust_remote_code: bool = flag(False, "Allow the code that comes with a checkpoint to run.")
    embed_with: str | None = flag(
        None, "A pretrained model, whose frozen token vectors and tokenizer a new model is put on."
    )


@dataclass
class NewModelArguments:
    """What shapes a custom model that is new."""

    model_config: list[str] | None = flag(
        None, "Settings of a custom model: --model_config hidden_size=256 num_layers=2.", extends=True
    )
    word_vectors: str | None = flag(
        None, "Start the embedding from GloVe text, word2vec text or binary, or fastText .vec."
    )


@dataclass
class TokenizerArguments:
    """Which tokens a text becomes, and how many of them are kept."""

    tokenizer: str = flag("word", "Trained on the train split for a custom model.", choices=TOKENIZERS)
    vocab_size: int = flag(30_000, "Largest vocabulary of a trained tokenizer.")
    min_frequency: int = flag(2, "A token seen less often in train is unknown.")
    lowercase: bool = flag(True, "Fold case in a trained tokenizer.")
    max_seq_length: int | None = flag(
        400,
        "Longer texts are cut to this many tokens. A checkpoint that is not trained reads as many as it was saved "
        "for, unless this flag says otherwise.",
    )
    truncation: str | None = flag(
        None,
        "What is kept of a longer text: its head, its tail, or a quarter from its head and the rest from its tail. "
        "Default: head for a new model, what it was trained with for a checkpoint.",
        choices=TRUNCATIONS,
    )


@dataclass
class DataArguments:
    """Where the labelled texts come from and how they are split."""

    dataset_name: str = flag(
        "imdb", "'imdb', 'sample', a Hub id, or a folder; or name files by --train_file.", aliases=["--dataset"]
    )
    dataset_config_name: str | None = flag(None, "Configuration of a Hub dataset.")
    train_file: str | None = flag(None, "csv, tsv, json, jsonl, parquet, or a folder CLASS/*.txt.")
    validation_file: str | None = flag(None, "As --train_file; chooses the checkpoint.")
    test_file: str | None = flag(None, "As --train_file; scored once, at the end.")
    text_column_names: str | None = flag(
        None, "Comma-separated columns that hold the text; found by themselves if usual."
    )
    text_column_delimiter: str = flag(" ", "Put between several text columns.")
    label_column_name: str | None = flag(None, "Column of the class; found by itself if usual.")
    validation_size: float = flag(0.1, "Share of train for validation where there is none.")
    test_size: float = flag(0.1, "Share of train that becomes test where there is none.")
    split_seed: int = flag(42, "Seed of every carved or sampled split; not of training.")
    deduplicate: bool = flag(False, "Remove from train what stands in test word for word.")
    max_train_samples: int | None = flag(None, "Stratified sample of train.")
    max_eval_samples: int | None = flag(None, "Stratified sample of validation.")
    max_predict_samples: int | None = flag(None, "Stratified sample of test.")
    max_data_bytes: int = flag(10**9, "What the files may hold, unpacked; more is refused before it is read.")


@dataclass
class TuningArguments:
    """What of a checkpoint is trained."""

    tuning: str = flag("full", "What of a checkpoint is trained: all, its head, or adapters.", choices=TUNINGS)
    lora_r: int = flag(16, "Rank of the adapters.")
    lora_alpha: int = flag(32, "Adapters are scaled by lora_alpha / lora_r.")
    lora_dropout: float = flag(0.0, "Dropout on the input of the adapters.")
    lora_target_modules: list[str] | None = flag(
        None, "Layers that get an adapter, or all-linear; by default those usual for the type."
    )
    lora_modules_to_save: list[str] | None = flag(None, "Layers trained whole beside the adapters and the head.")
    use_dora: bool = flag(False, "Weight-decomposed adapters (Liu et al. 2024).")
    use_rslora: bool = flag(False, "Scale by lora_alpha / sqrt(lora_r).")
    merge_adapter: bool = flag(False, "Save the checkpoint with the adapters added to its weights.")
    attention_dropout: float | None = flag(
        None, "Dropout on the attention weights of a checkpoint; 0 is several times faster on a CPU."
    )


@dataclass
class RunArguments:
    """How the run itself goes."""

    config: str | None = flag(None, "Path of the recipe; by default configs/<model>.yaml or configs/full.yaml.")
    length_bucketing: bool = flag(
        True,
        "Batches of similar length by this project's sampler: exact on resume, predictions in order. Set it false to "
        "use Trainer's own --train_sampling_strategy (whose group_by_length is neither).",
    )
    early_stopping_patience: int | None = flag(None, "Stop when validation has not improved for so many evaluations.")
    class_weights: str | None = flag(
        None, "Weigh the loss by inverse class frequency in train.", choices=("balanced",)
    )
    num_cpu_threads: int | None = flag(None, "Threads per process; default: all cores, shared.")
    overwrite: bool = flag(False, "Replace another run in the output folder.")
    force_resume: bool = flag(
        False, "Go on from the checkpoint in the output folder although data, model or flags have changed."
    )
    checkpoint_verify: str = flag(
        "sha256", "What must be true of a checkpoint's files: their SHA-256, or their size.", choices=VERIFY
    )
    license: str | None = flag(None, "For the model card, as the Hub names it: apache-2.0, mit, cc-by-4.0, ...")


@dataclass
class RunSpec:
    """All that a run is told.

    training: a value for each field of TrainingArguments, which is made of them where torch is needed. Of these,
    `use_cpu` is None where it was not given: whether there is an accelerator is asked later. `output_dir` may be
    AUTO. `do_train`, `do_eval` and `do_predict` say what the run does; TrainingArguments sets its own `do_eval` to
    true wherever there is an `eval_strategy`.
    """

    model: ModelRef
    embed_with: ModelRef | None
    data: DataArguments
    tokenizer: TokenizerArguments
    new_model: NewModelArguments
    tuning: TuningArguments
    run: RunArguments
    training: dict[str, Any]

    @property
    def recipe(self) -> str | None:
        """The name of the recipe: that of its file."""
        return Path(self.run.config).stem if self.run.config else None

    @property
    def how(self) -> str:
        """How the weights come about, as reports call it.

        baseline: fitted by scikit-learn. scratch: all of them are new. full, head, lora: what of a checkpoint is
        trained. none: a checkpoint is scored as it is.
        """
        if self.model.is_new:
            return "baseline" if self.model.kind is Kind.BASELINE else "scratch"
        return self.tuning.tuning if self.training["do_train"] else "none"

    def values(self) -> dict[str, Any]:
        """Each flag by its name, a model of the Hub with the commit that was fetched as its revision."""
        model = ModelArguments(
            model_name_or_path=self.model.name,
            model_revision=self.model.commit or self.model.revision,
            trust_remote_code=self.model.trust_remote_code,
            embed_with=self.embed_with.name if self.embed_with else None,
        )
        groups = (model, self.new_model, self.tokenizer, self.data, self.tuning, self.run)
        return {name: value for group in groups for name, value in dataclasses.asdict(group).items()} | self.training
