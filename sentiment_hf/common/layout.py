"""The names of all files that a run, a model or a comparison consists of, each written down once."""

# What a run says of itself. IDENTITY is written first, REPORT last: a folder without REPORT holds no finished run.
IDENTITY, REPORT, INFERENCE, LOCK = "run.json", "report.json", "inference.json", ".lock"

# The rows of the step at which training stopped because it could not go on.
BROKEN_BATCH = "broken_batch.json"

# Of each part that is scored.
PREDICTIONS = {"validation": "validation_predictions.parquet", "test": "predictions.parquet"}

# What was logged, an object a line.
HISTORY = "metrics.jsonl"

# A published comparison: the reports of its runs, what they predicted for the rows of each part, what they logged.
RUNS, PUBLISHED_HISTORY = "runs.jsonl", "history.parquet"
PUBLISHED_PARTS = {"validation": "validation.parquet", "test": "predictions.parquet"}

# The model card, and the folder with the scores in the form of the Hub.
CARD, EVAL_RESULTS = "README.md", ".eval_results"

# Of a checkpoint-N folder: MANIFEST is written last, CLOCK holds the time and the tokens of training so far.
MANIFEST, TRAINER_STATE, CLOCK = "manifest.json", "trainer_state.json", "clock.json"

# A model: its settings and weights, an adapter, a baseline, an ensemble.
CONFIG, TOKENIZER_CONFIG = "config.json", "tokenizer_config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = r"model-\d+-of-\d+\.safetensors"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BASELINE_FILE, ENSEMBLE_FILE = "model.skops", "ensemble.json"

# The names of the classes, where the format of the model has no place for them.
LABELS = "labels.json"

# A tokenizer has some of these.
TOKENIZER = ("tokenizer.json", TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json")
TOKENIZER += ("vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model", "chat_template.jinja")

# What `from_pretrained` reads of a checkpoint and `save_pretrained` writes, its code aside.
MODEL_FILES = (CONFIG, "*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin*", "*.model")
MODEL_FILES += ("tokenizer.json", TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json")
MODEL_FILES += ("vocab.txt", "vocab.json", "merges.txt", ADAPTER_CONFIG, LABELS, BASELINE_FILE)

# What a run writes beside the model.
RESULTS = (REPORT, INFERENCE, BROKEN_BATCH, *PREDICTIONS.values(), HISTORY, TRAINER_STATE, "training_args.bin")
RESULTS += (CARD, f"{EVAL_RESULTS}/*.yaml")
RESULTS += ("all_results.json", "train_results.json", "eval_results.json", "test_results.json")

# What a run leaves that is killed before it has said whose the folder is.
BEGUN = {LOCK, f"{IDENTITY}.tmp"}
