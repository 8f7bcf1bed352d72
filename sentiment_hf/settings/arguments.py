"""The settings of a run: dataclasses whose fields are flags, and `RunSpec`, which holds all of them."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.layout import TOKENIZER_FILE
from sentiment_hf.settings.csv_settings import CsvSettings
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.settings.saved_outputs import TASKS

TOKENIZERS = ("word", "bpe", "char", "bytes")
TRUNCATIONS = ("head", "tail", "head-tail")
LONG_TEXTS = ("truncate", "windows", "hierarchical")
WINDOW_POOLINGS = ("mean", "max")
VALIDATION_SPLITS = ("auto", "random", "group")
TUNINGS = ("full", "head", "lora")
ERRORS = ("squared", "absolute", "huber")
OBJECTIVES = ("labels", "words")
HEADS = ("corn", "classes")
VERIFY = ("sha256", "size")

# The value of --output_dir until the data and the model are known, which give the folder its default name; and of
# --bf16 until the device and the model are known.
AUTO = "auto"


def flag(default: Any, text: str, **metadata: Any) -> Any:
    """A dataclass field with the help text of its flag. `metadata` may have choices, aliases, extends: see `Flag`."""
    return field(default=default, metadata={"help": text, **metadata})


@dataclass
class ModelArguments:
    """The model; these flags become the `ModelRef`s of a run."""

    model_name_or_path: str | None = flag(
        None,
        "Custom model (custom-lstm, ...), baseline (baseline-nb-svm, ...), Hub id, or folder with a checkpoint.",
        aliases=["--model"],
    )
    model_revision: str = flag("main", "Branch, tag or commit of --model on the Hub.")
    trust_remote_code: bool = flag(False, "Run Python code that comes with a checkpoint.")
    embed_with: str | None = flag(
        None, "Pretrained model. A new custom model gets its tokenizer and its frozen token vectors."
    )
    teacher: str | None = flag(
        None,
        "A trained model, a run, a baseline or an ensemble, whose outputs for --unlabelled_file the model learns "
        "beside its labels (distillation).",
    )


@dataclass
class NewModelArguments:
    """Settings of a new custom model."""

    model_config: list[str] | None = flag(
        None, "Settings of a new custom model, as in hidden_size=256 num_layers=2.", extends=True
    )
    word_vectors: str | None = flag(
        None, "File of word vectors for the embedding: GloVe text, word2vec text or binary, fastText .vec."
    )


@dataclass
class TokenizerArguments:
    """Tokens of a text, and how many of them are kept."""

    tokenizer: str = flag(
        "word",
        "Units into which a new custom model or a baseline splits texts: word, bpe, char, bytes. Or another model's "
        "tokenizer: tokenizer.json, a folder, a Hub id.",
    )
    vocab_size: int = flag(30_000, "Largest number of tokens in a new vocabulary.")
    min_frequency: int = flag(2, "A token that is rarer than this in train is not in a new vocabulary.")
    lowercase: bool = flag(True, "Convert texts to lower case, for a new vocabulary.")
    max_seq_length: int | None = flag(
        400,
        "Longest text, in tokens; longer ones are cut. A checkpoint that is only scored has its saved length by "
        "default.",
    )
    truncation: str | None = flag(
        None,
        "Part that is kept of a longer text: head, tail, or head-tail (one quarter from the head, the rest from the "
        "tail). Default: head for a new model, the saved setting for a checkpoint.",
        choices=TRUNCATIONS,
    )
    long_texts: str | None = flag(
        None,
        "How texts longer than --max_seq_length are read: truncate cuts them, windows reads them whole, hierarchical "
        "reads words, then sentences. Default: truncate, or the saved setting of a checkpoint.",
        choices=LONG_TEXTS,
    )
    window_stride: int | None = flag(
        None,
        "Tokens that a window repeats of the one before it. Default: a quarter of --max_seq_length.",
    )
    window_pooling: str = flag(
        "mean",
        "How the logits of the windows of a text become those of the text.",
        choices=WINDOW_POOLINGS,
    )


@dataclass
class DataArguments:
    """Labelled texts, and how they are split."""

    dataset_name: str = flag(
        "imdb",
        "imdb, sample, a Hub id, or a folder with files; with --query the address of a database. For single files use "
        "--train_file.",
        aliases=["--dataset"],
    )
    query: str | None = flag(
        None, "The rows of a database, as in --dataset sqlite:///reviews.db --query 'SELECT text, label FROM reviews'."
    )
    dataset_config_name: str | None = flag(None, "Configuration of a Hub dataset.")
    dataset_revision: str | None = flag(None, "Branch, tag or commit of a Hub dataset. Default: main.")
    train_split_name: str | None = flag(
        None, "Part of --dataset that is train, if its name is not a usual one.", aliases=["--train_split"]
    )
    validation_split_name: str | None = flag(None, "Part of --dataset that is validation.")
    test_split_name: str | None = flag(None, "Part of --dataset that is test.", aliases=["--test_split"])
    train_file: str | None = flag(
        None, "File (csv, tsv, json, jsonl, parquet), folder with such files, or folder with CLASS/*.txt."
    )
    validation_file: str | None = flag(None, "As --train_file. Its scores choose the checkpoint.")
    test_file: str | None = flag(None, "As --train_file. Scored once, at the end.")
    csv_delimiter: str | None = flag(
        None,
        "Delimiter of csv files: a character, or tab, comma, semicolon, pipe. Default: each file decides.",
    )
    csv_quote: str | None = flag(
        None,
        "Quote of csv files: a character, or none if quotes belong to the texts. Default: each file decides.",
    )
    text_column_names: str | None = flag(
        None, "Columns with the text, separated by commas. Default: the column with a usual name."
    )
    text_column_delimiter: str = flag(" ", "Text between the texts of several columns.")
    extra_column_names: str | None = flag(
        None,
        "Columns that the model reads beside the text, separated by commas: columns of numbers, and of words as "
        "categories.",
    )
    columns_as_text: bool = flag(
        False,
        "Write --extra_column_names in front of the text, as in 'country: de . price: 34 . text'.",
    )
    language_column_name: str | None = flag(
        None, "Column with the language of a text: the scores of validation and test are given by language, too."
    )
    label_column_name: str | None = flag(None, "Column with the class. Default: the column with a usual name.")
    label_column_names: str | None = flag(
        None, "Columns with 1 or 0 for each label of a text, separated by commas: several labels per text."
    )
    label_delimiter: str | None = flag(
        None, "What stands between the labels in the label column, as | in funny|sad: several labels per text."
    )
    task: str | None = flag(
        None,
        "What a label is: one class, any number of labels, a number, or a class of an order such as stars. Default: "
        "multi_label for lists, --label_delimiter and --label_column_names, else single_label.",
        choices=tuple(TASKS),
    )
    label_order: str | None = flag(
        None, "Classes of --task ordinal from the lowest to the highest, separated by commas, if they are no numbers."
    )
    min_class_rows: int | None = flag(
        None, "Fewest rows of train that a class needs; --rare_classes says what becomes of the others."
    )
    rare_classes: str = flag(
        "drop",
        "What becomes of the rows of classes below --min_class_rows, in every part: they are left out, or become one "
        "class, other.",
        choices=("drop", "merge"),
    )
    label_map: str | None = flag(None, "Names of classes for labels of the data, as in NEGATIVE=neg,POSITIVE=pos.")
    validation_size: float = flag(0.1, "Share of all rows of train that becomes validation, if the data has none.")
    test_size: float = flag(0.1, "Share of all rows of train that becomes test, if the data has none.")
    validation_split: str | None = flag(
        None,
        "How parts are taken from train: rows at random, or whole groups of rows that belong together; auto: groups "
        "if a quarter of the rows has a partner. Default: group with --group_column_name, else random.",
        choices=VALIDATION_SPLITS,
    )
    group_column_name: str | None = flag(
        None,
        "Column with the group of a row (film, author, customer). Without it groups are rows that share rare names.",
    )
    split_seed: int = flag(42, "Seed of splits and samples of the data, not of training.")
    deduplicate: bool = flag(False, "Remove rows from train whose text is in validation or test too.")
    reviewed: str | None = flag(
        None,
        "File that `sentiment-hf audit` wrote, with rows of train and validation marked: they are dropped or "
        "relabelled before anything is sampled.",
    )
    redact: bool = flag(
        False,
        "Replace e-mail addresses, URLs, card, IBAN, IP and phone numbers by placeholders as texts are read, before "
        "anything is stored. Names are not found.",
    )
    no_texts: bool = flag(
        False,
        "Show no text of the data in the files of the run, nor in the pages that later commands make of it: rows are "
        "named by their numbers.",
    )
    unlabelled_file: str | None = flag(
        None,
        "As --train_file, with texts alone, for --teacher, --adversarial vat and `pretrain`. Copies of rows of the "
        "data are left out.",
        aliases=["--text_file"],
    )
    max_unlabelled_samples: int | None = flag(None, "Use a sample of this many texts of --unlabelled_file.")
    max_train_samples: int | None = flag(None, "Use a stratified sample of this many rows of train.")
    streaming: bool = flag(
        False,
        "Draw --max_train_samples rows of train from its files on the Hub, of which one at a time is on the disk: for "
        "a data set that does not fit there.",
    )
    predict_unlabelled: bool = flag(
        False,
        "Classify the part that has no labels, validation or test, by the finished model, and write it with the "
        "predictions to unlabelled_<part>.csv in the output folder.",
    )
    max_eval_samples: int | None = flag(None, "Use a stratified sample of this many rows of validation.")
    max_predict_samples: int | None = flag(None, "Use a stratified sample of this many rows of test.")
    cache_dir: str | None = flag(
        None,
        "Folder, of at most 20 GB, in which later runs find large tables, tokenizers and tokens again. Default: "
        "sentiment_hf in the cache folder of the Hub (HF_HOME).",
    )
    no_cache: bool = flag(False, "Read and tokenize anew, and leave nothing for later runs.")
    max_data_bytes: int = flag(
        10**9,
        "Most bytes to which data files may unpack that unpack to more than 50 times their size. Larger ones are "
        "refused before they are read.",
    )

    @property
    def cache(self) -> Cache:
        """Where large tables, tokenizers and tokens are kept for later runs."""
        return Cache.of_flags(self.cache_dir, self.no_cache)

    @property
    def table_cache(self) -> Cache:
        """Where the rows of large files are kept; nowhere with --redact, for they are kept as they stand there."""
        return Cache() if self.redact else self.cache

    @property
    def csv(self) -> CsvSettings:
        """The settings of csv files; raises InputError for an impossible value."""
        return CsvSettings.parse(self.csv_delimiter, self.csv_quote)


@dataclass
class TuningArguments:
    """Weights of a checkpoint that are trained."""

    tuning: str = flag(
        "full",
        "Weights of a checkpoint to train: all of them, those of the head, or LoRA adapters and the head.",
        choices=TUNINGS,
    )
    lora_r: int = flag(16, "Rank of the adapters.")
    lora_alpha: int = flag(32, "Adapters are scaled by lora_alpha / lora_r.")
    lora_dropout: float = flag(0.0, "Dropout on the input of the adapters.")
    lora_target_modules: list[str] | None = flag(
        None, "Layers that get an adapter, or all-linear. Default: the usual ones of the model type."
    )
    lora_modules_to_save: list[str] | None = flag(
        None, "Layers that are trained as a whole, besides the adapters and the head."
    )
    use_dora: bool = flag(False, "Train weight-decomposed adapters (DoRA, Liu et al. 2024).")
    use_rslora: bool = flag(False, "Scale adapters by lora_alpha / sqrt(lora_r).")
    merge_adapter: bool = flag(False, "Save the model with the adapters merged into its weights.")
    attention_dropout: float | None = flag(
        None, "Dropout on the attention weights of a checkpoint. 0 is several times faster on a CPU."
    )


@dataclass
class RunArguments:
    """The run itself."""

    config: str | None = flag(
        None, "Recipe, a YAML file. Default: configs/<model>.yaml, or configs/<tuning>.yaml for a checkpoint."
    )
    objective: str = flag(
        "labels",
        "What is learned: the labels of texts, or the words of texts with and without labels: a language model, from "
        "which `run --model FOLDER` then starts (`sentiment-hf pretrain`).",
        choices=OBJECTIVES,
    )
    length_bucketing: bool = flag(
        True,
        "Make batches of texts of similar length. A resumed run gets the same batches. Set it to no to use "
        "--train_sampling_strategy.",
    )
    early_stopping_patience: int | None = flag(
        None, "Stop after this many evaluations without a better score on validation."
    )
    least_steps: int | None = flag(
        None, "Fewest optimizer steps that --num_train_epochs of a recipe becomes on a small train part."
    )
    most_steps: int | None = flag(
        None, "Most optimizer steps that --num_train_epochs of a recipe becomes on a large train part."
    )
    refit: bool = flag(
        False,
        "When validation has chosen the steps, or the regularisation of a baseline, train again on train and "
        "validation. Validation keeps the score of the first fit.",
    )
    class_weights: str | None = flag(
        None,
        "Weight each class in the loss, or in the fit of a baseline, by its inverse frequency in train.",
        choices=("balanced",),
    )
    pos_weight: str | None = flag(
        None,
        "Several labels per text: let the texts with a label count as much for it in the loss as those without.",
        choices=("balanced", "none"),
    )
    regression_loss: str | None = flag(
        None,
        "Regression: the error that is made small. absolute and huber heed outliers less. Default: squared.",
        choices=ERRORS,
    )
    ordinal_head: str | None = flag(
        None,
        "Ordered classes: corn learns for each class whether a text is above it, classes knows of no order. Default: "
        "corn.",
        choices=HEADS,
    )
    adversarial: str | None = flag(
        None,
        "at: learn each text a second time, with its word vectors moved to where the loss is larger. vat: say of each "
        "text, those of --unlabelled_file too, the same when its vectors are moved to where it says something else.",
        choices=("at", "vat"),
    )
    adversarial_epsilon: float = flag(
        5.0,
        "How far --adversarial moves the vectors of a text together: in standard deviations, for vectors of 256 "
        "numbers.",
    )
    ema: float | None = flag(
        None,
        "Score and save the moving average of the weights over the steps, of which each keeps this share, as 0.999.",
    )
    dp_epsilon: float | None = flag(
        None,
        "Train with differential privacy (DP-SGD): the ε that all steps together do not exceed for a row of train.",
    )
    dp_delta: float | None = flag(
        None, "The δ of --dp_epsilon, less than 1 / rows of train. Default: 1 / (10 * rows)."
    )
    dp_max_grad_norm: float = flag(
        1.0, "With --dp_epsilon, the length to which the gradient of each text is shortened before it is added."
    )
    layer_lr_decay: float | None = flag(
        None,
        "Share of the learning rate of a layer that the layer below it has, as 0.9: what lies near the input of a "
        "checkpoint moves less than the head.",
    )
    calibrate: str = flag(
        "temperature",
        "temperature: divide the logits of the trained model by the number with which the labels of validation are "
        "most likely, those of several labels each by its own: probabilities become as sure as they are right. The "
        "weights of the last layer then hold it.",
        choices=("temperature", "none"),
    )
    dry_run: bool = flag(
        False,
        "Show what would be read and trained, and how long it would take, by a few real steps; "
        "write nothing but the cache.",
    )
    profile: bool = flag(False, "Show where the time of the run went, station by station, and write profile.json.")
    num_cpu_threads: int | None = flag(
        None, "Threads of each process. Default: all cores, divided among the processes."
    )
    side_by_side: int = flag(
        1,
        "How many runs this machine makes at a time, this one included. The report says so, for they slow each other "
        "down. Set by compare --jobs.",
    )
    overwrite: bool = flag(False, "Replace another run in the output folder.")
    force_resume: bool = flag(
        False, "Continue from the checkpoint in the output folder even if data, model or flags have changed."
    )
    checkpoint_verify: str = flag(
        "sha256",
        "How the files of a checkpoint are checked before it is resumed: by SHA-256 or by size.",
        choices=VERIFY,
    )
    overwrite_card: bool = flag(False, "Replace the model card on the Hub even if it was edited there.")
    license: str | None = flag(None, "License in the model card, as the Hub names it: apache-2.0, mit, cc-by-4.0, ...")


@dataclass
class RunSpec:
    """All settings of a run.

    training: {field of TrainingArguments: value}. TrainingArguments itself is made later, because it needs torch.
        `use_cpu` is None if it is not given: then the CPU is used only if there is no accelerator. `output_dir` may be
        AUTO. `do_train`, `do_eval` and `do_predict` are the parts of the run. TrainingArguments does not keep
        `do_eval`: it sets it to true for every `eval_strategy` but "no".
    command: the command line, quoted for a shell.
    """

    model: ModelRef
    embed_with: ModelRef | None
    teacher: ModelRef | None
    data: DataArguments
    tokenizer: TokenizerArguments
    new_model: NewModelArguments
    tuning: TuningArguments
    run: RunArguments
    training: dict[str, Any]
    command: str = ""

    @property
    def tokenizer_ref(self) -> ModelRef | None:
        """The tokenizer of another model that --tokenizer names; None if the model has its own or gets a new one."""
        name = self.tokenizer.tokenizer
        if name in TOKENIZERS or self.embed_with or not self.model.is_new:
            return None
        path = Path(name)
        folder = path.parent if path.name == TOKENIZER_FILE and path.is_file() else path if path.is_dir() else None
        return ModelRef(name, Kind.CHECKPOINT, folder, flag="--tokenizer")

    @property
    def recipe(self) -> str | None:
        """The file name of the recipe, without its suffix; None without a recipe."""
        return Path(self.run.config).stem if self.run.config else None

    @property
    def metric(self) -> str:
        """The score on validation by which the weights, or the regularisation of a baseline, are chosen."""
        return (self.training["metric_for_best_model"] or "loss").removeprefix("eval_")

    @property
    def how(self) -> str:
        """How the weights are made: the value of `tuning` in report.json.

        baseline: scikit-learn fits them. scratch: all weights are new. full, head, lora: --tuning of a checkpoint.
        none: a checkpoint is scored without training. words: a language model, new or not.
        """
        if self.run.objective == "words":
            return "words"
        if self.model.is_new:
            return "baseline" if self.model.kind is Kind.BASELINE else "scratch"
        return self.tuning.tuning if self.training["do_train"] else "none"

    def values(self) -> dict[str, Any]:
        """{flag: value}. The revision of a model of the Hub is the commit that was downloaded."""
        model = ModelArguments(
            model_name_or_path=self.model.name,
            model_revision=self.model.commit or self.model.revision,
            trust_remote_code=self.model.trust_remote_code,
            embed_with=self.embed_with.name if self.embed_with else None,
            teacher=self.teacher.name if self.teacher else None,
        )
        groups = (model, self.new_model, self.tokenizer, self.data, self.tuning, self.run)
        return {name: value for group in groups for name, value in dataclasses.asdict(group).items()} | self.training
