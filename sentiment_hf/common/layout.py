"""The names of all files of a run, a model and a comparison; other modules import them from here."""

# Description of a run. IDENTITY is written first, REPORT last: a folder without REPORT holds no finished run.
IDENTITY, REPORT, INFERENCE, LOCK = "run.json", "report.json", "inference.json", ".lock"
PROFILE_FILE = "profile.json"

# The second fit of --refit, on train and validation: its own checkpoints and logged metrics.
REFIT = "refit"

# The rows of the training step that failed.
BROKEN_BATCH = "broken_batch.json"

# Predictions for each part that is scored.
PREDICTIONS = {"validation": "validation_predictions.parquet", "test": "predictions.parquet"}

# The rows of a part without labels with the predictions of the model, by --predict_unlabelled.
UNLABELLED = {part: f"unlabelled_{part}.csv" for part in PREDICTIONS}

# The column of a predictions file with the language of a row, if languages are known.
LANGUAGE = "language"

# Logged metrics, one JSON object per line.
HISTORY = "metrics.jsonl"

# A published comparison: the reports of its runs, their logged metrics, their predictions for each part.
RUNS, PUBLISHED_HISTORY = "runs.jsonl", "history.parquet"
PUBLISHED_PARTS = {"validation": "validation.parquet", "test": "predictions.parquet"}

# The model card, and the folder with scores in the format that the Hub reads.
CARD, EVAL_RESULTS = "README.md", ".eval_results"

# In a checkpoint-N folder. MANIFEST is written last, CLOCK holds the seconds and tokens of training so far.
MANIFEST, TRAINER_STATE, CLOCK = "manifest.json", "trainer_state.json", "clock.json"
# Of a run with --ema, whose weights are averages: those of the last step, from which training goes on.
LAST_STEP_WEIGHTS = "last_step.safetensors"
# Of a run with --dp_epsilon: its plan, and the secret from which its noise is drawn, until the run is finished.
PRIVACY = "privacy.json"

# A checkpoint, an adapter, a baseline, an ensemble.
CONFIG, TOKENIZER_CONFIG = "config.json", "tokenizer_config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = r"model-\d+-of-\d+\.safetensors"
# An exported graph, and the keys of its config.json that say so, and what the members of an ensemble in it are.
ONNX_FILE, GRAPH, MEMBERS = "model.onnx", "graph", "members"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BASELINE_FILE, ENSEMBLE_FILE = "model.skops", "ensemble.json"

# The names of the classes of an adapter or a baseline, whose own files cannot store them.
LABELS = "labels.json"

# How faithful the explanations of a model were found to be.
FAITHFULNESS = "faithfulness.json"

# What a model says of changed texts.
ROBUSTNESS = "robustness.json"

# The columns that a model was trained on.
READING = "reading.json"

# How sure the model was of the labels of validation.
CONFORMAL = "conformal.json"

# What the texts of validation look like.
USUAL = "usual.json"

# All files of a tokenizer; each kind of tokenizer has some of them.
TOKENIZER_FILE = "tokenizer.json"
TOKENIZER = (TOKENIZER_FILE, TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json")
TOKENIZER += ("vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model", "chat_template.jinja")

# Files that `from_pretrained` reads and `save_pretrained` writes, without the code of the model.
MODEL_FILES = (CONFIG, ONNX_FILE, "*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin*", "*.model")
MODEL_FILES += ("tokenizer.json", TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json")
MODEL_FILES += ("vocab.txt", "vocab.json", "merges.txt", ADAPTER_CONFIG, LABELS, BASELINE_FILE)

# Files that a run writes in addition to the model.
RESULTS = (REPORT, INFERENCE, BROKEN_BATCH, *PREDICTIONS.values(), HISTORY, TRAINER_STATE, "training_args.bin")
RESULTS += (READING, CONFORMAL, USUAL, PROFILE_FILE, FAITHFULNESS, ROBUSTNESS, CARD, f"{EVAL_RESULTS}/*.yaml")
RESULTS += tuple(UNLABELLED.values())
RESULTS += ("all_results.json", "train_results.json", "eval_results.json", "test_results.json")

# Files that remain if a run is killed before it has written IDENTITY.
BEGUN = {LOCK, f"{IDENTITY}.tmp"}

# The page of a comparison.
PAGE_HTML, PAGE_MARKDOWN, PAGE_CSV, PAGE_JSON = "report.html", "report.md", "results.csv", "results.json"

# The table, the page and the figures of an audit of data.
AUDIT_CSV, AUDIT_HTML, AUDIT_JSON = "audit.csv", "audit.html", "audit.json"

# A folder with all files of one of these sets holds what a program wrote, and no data.
OUTPUT_MARKS = [{name} for name in (IDENTITY, ENSEMBLE_FILE, BASELINE_FILE, WEIGHTS, INDEX, ADAPTER_WEIGHTS)]
OUTPUT_MARKS += [{TRAINER_STATE}, {"training_args.bin"}, {RUNS, PUBLISHED_PARTS["test"]}, {PAGE_CSV, PAGE_JSON}]
OUTPUT_MARKS += [{AUDIT_CSV, AUDIT_JSON}]
