"""--embed_with: a custom model on the frozen token vectors of a pretrained one, in one checkpoint."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from conftest import small_model
from helpers import flags, run_flags, save_bert, weights, write_data
from launching import python
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from custom_models import BODIES, MODEL_NAMES
from sentiment_hf.cli import run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.models.adapters import apply_tuning
from sentiment_hf.models.load import load_model, load_tokenizer
from sentiment_hf.runs.run import run
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.tasks.single_label import SingleLabel

TEXTS = ["good film and warm soup", "a dull grim plot", "", "the film " * 40]
SETTINGS = ["hidden_size=8"]
TAKERS = [config.model_type for config, _ in BODIES]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def encoder(data, tmp_path_factory) -> Path:
    return save_bert(tmp_path_factory.mktemp("encoder"), data)


@pytest.fixture(scope="module")
def runs(data, encoder, tmp_path_factory) -> Path:
    """A folder with a finished run of every custom model, by its name."""
    folder = tmp_path_factory.mktemp("runs")
    for name in TAKERS:
        more = ["--embed_with", str(encoder), "--learning_rate", "0.01"]
        argv = flags(data, folder / name, *more, model=name, settings=tuple(SETTINGS))
        # The tokenizer is that of the encoder.
        at = argv.index("--min_frequency")
        del argv[at : at + 2]
        assert run_command(argv) == 0
    return folder


def on_encoder(name: str, encoder: Path):
    words = ["--model", name, "--embed_with", str(encoder), "--max_seq_length", "32"]
    words += ["--model_config", *SETTINGS, "embedding_dropout=0"]
    spec = parse_run(words)
    tokenizer = load_tokenizer(spec, [])
    return load_model(spec, SingleLabel(("bad", "good")), tokenizer), tokenizer


@pytest.mark.parametrize("name", TAKERS)
def test_the_encoder_is_as_it_was_and_all_else_is_trained(runs, encoder, name):
    trained = weights(runs / name)
    original = weights(encoder)
    fresh = on_encoder(name, encoder)[0].state_dict()
    inside = [weight for weight in trained if weight.startswith("embedding.")]
    assert inside
    for weight in inside:
        assert torch.equal(trained[weight], fresh[weight])
    assert torch.equal(
        trained["embedding.model.embeddings.word_embeddings.weight"],
        original["bert.embeddings.word_embeddings.weight"],
    )
    # The recipe of a recurrent model has a second direction, which the fresh one has not.
    outside = (trained.keys() & fresh.keys()) - {*inside}
    assert not any(torch.equal(trained[weight], fresh[weight]) for weight in outside)


@pytest.mark.parametrize("name", TAKERS)
def test_padding_has_no_say_on_either_side(runs, name):
    model = AutoModelForSequenceClassification.from_pretrained(runs / name).eval()
    tokenizer = AutoTokenizer.from_pretrained(runs / name)
    alone = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in TEXTS[:3]]
    for side in ("right", "left"):
        tokenizer.padding_side = side
        together = model(**tokenizer(TEXTS[:3], padding="max_length", max_length=30, return_tensors="pt")).logits
        torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", TAKERS)
def test_embeddings_in_place_of_ids_give_the_same(runs, name):
    model = AutoModelForSequenceClassification.from_pretrained(runs / name).eval()
    batch = AutoTokenizer.from_pretrained(runs / name)(TEXTS[:3], padding=True, return_tensors="pt")
    vectors = model.get_input_embeddings()(batch["input_ids"])
    by_vectors = model(inputs_embeds=vectors, attention_mask=batch["attention_mask"]).logits
    torch.testing.assert_close(by_vectors, model(**batch).logits, atol=1e-6, rtol=0)


def test_the_encoder_has_no_dropout_and_no_gradient(encoder):
    model, tokenizer = on_encoder("custom-fc", encoder)
    model.train()
    batch = tokenizer(TEXTS[:3], padding=True, return_tensors="pt")
    vectors = [model.embed(batch["input_ids"], batch["attention_mask"]) for _ in range(2)]
    assert torch.equal(*vectors)
    assert not vectors[0].requires_grad


# Every model where our packages are not installed; texts are not cut by a pipeline, the model sees to it.
WITHOUT_US = """
import json, sys
from pathlib import Path
sys.modules["custom_models"] = sys.modules["sentiment_hf"] = None
from transformers import pipeline
scores = {}
for folder in Path(sys.argv[1]).iterdir():
    classify = pipeline("text-classification", str(folder), trust_remote_code=True, top_k=None, device="cpu")
    scores[folder.name] = [{r["label"]: r["score"] for r in row} for row in classify(json.loads(sys.argv[2]))]
print(json.dumps(scores))
"""


def test_one_checkpoint_loads_where_our_packages_are_not_installed(runs):
    command = [python(), "-c", WITHOUT_US, str(runs), json.dumps(TEXTS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == {*TAKERS}
    for name in TAKERS:
        scorer = load_scorer(ModelRef.parse(str(runs / name)))
        ours = [dict(zip(scorer.task.labels, scores, strict=True)) for scores in scorer.score(TEXTS[:3], 8)]
        assert found[name][:3] == [pytest.approx(scores, abs=1e-5) for scores in ours]
        assert sum(found[name][3].values()) == pytest.approx(1)


def test_it_trains_on_as_any_checkpoint_and_by_lora(runs, data, tmp_path):
    report = run_flags(data, tmp_path / "on", model=runs / "custom-lstm", settings=())
    lora = run_flags(data, tmp_path / "lora", "--tuning", "lora", model=runs / "custom-lstm", settings=())
    for made in (report, lora):
        assert 0 < made["trainable_parameters"] < made["parameters"]
    model = AutoModelForSequenceClassification.from_pretrained(runs / "custom-lstm")
    adapted = apply_tuning(model, parse_run(["--model", "x", "--tuning", "lora"]))
    adapters = [name for name, _ in adapted.named_parameters() if "lora" in name]
    assert adapters
    assert not any(".embedding." in name for name in adapters)


def test_the_card_and_the_default_folder_name_the_encoder_and_no_path(runs, data, encoder, tmp_path, monkeypatch):
    for file in ("README.md", "config.json"):
        text = (runs / "custom-gru" / file).read_text()
        assert str(encoder) not in text
    assert encoder.name in (runs / "custom-gru" / "README.md").read_text()
    monkeypatch.chdir(tmp_path)
    argv = ["--model", "custom-fc", "--embed_with", str(encoder), "--train_file", str(data / "train.csv")]
    assert run_command([*argv, "--max_steps", "1", "--disable_tqdm", "true"]) == 0
    assert (tmp_path / "out" / "train" / f"custom-fc-on-{encoder.name}" / "report.json").is_file()


SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
OTHERS = {
    "roberta": SIZES | {"max_position_embeddings": 34},
    "distilbert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16},
    "xlnet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16},
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32},
    "modernbert": SIZES | {"pad_token_id": 0},
}


def save_encoder(folder: Path, model_type: str, like: Path, **settings) -> Path:
    """A tiny encoder of this type, with the tokenizer of another folder."""
    tokenizer = AutoTokenizer.from_pretrained(like)
    AutoModel.from_config(AutoConfig.for_model(model_type, vocab_size=len(tokenizer), **settings)).save_pretrained(
        folder
    )
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("model_type", OTHERS)
def test_any_encoder_of_token_vectors_will_do(encoder, tmp_path, model_type):
    folder = save_encoder(tmp_path / "encoder", model_type, encoder, **OTHERS[model_type])
    model, tokenizer = on_encoder("custom-gru", folder)
    tokenizer.save_pretrained(tmp_path / "run")
    model.save_pretrained(tmp_path / "run")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run").eval()
    batch = tokenizer(TEXTS[:3], padding=True, return_tensors="pt")
    assert torch.equal(again(**batch).logits, model.eval()(**batch).logits)
    if model_type == "xlnet":
        return  # It cannot compute in half precision by itself either.
    half = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run", dtype=torch.bfloat16).eval()
    assert half(**batch).logits.dtype == torch.bfloat16


def test_an_encoder_in_half_precision_is_read_in_whole(encoder, tmp_path):
    AutoModel.from_pretrained(encoder, dtype=torch.bfloat16).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path)
    model, tokenizer = on_encoder("custom-lstm", tmp_path)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert model(**tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")).logits.isfinite().all()


@pytest.mark.parametrize(
    ("model_type", "settings", "message"),
    [
        ("bart", {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1}, "an encoder with a decoder"),
        ("fnet", SIZES, "its vectors depend on the padding"),
    ],
)
def test_an_encoder_without_proper_token_vectors_is_refused(encoder, tmp_path, model_type, settings, message):
    folder = save_encoder(tmp_path / "encoder", model_type, encoder, **settings)
    with pytest.raises(InputError, match=f"--embed_with .* cannot be loaded .*{message}"):
        on_encoder("custom-gru", folder)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_custom_model_is_no_encoder_of_another(encoder, tmp_path, name):
    small_model(name).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"--embed_with .* cannot be loaded .*it is a custom model"):
        on_encoder("custom-fc", tmp_path)


def test_the_vocabulary_of_the_encoder_can_be_resized(encoder):
    model, tokenizer = on_encoder("custom-gru", encoder)
    model.resize_token_embeddings(len(tokenizer) + 3)
    assert model.get_input_embeddings().num_embeddings == len(tokenizer) + 3
    assert model(input_ids=torch.tensor([[len(tokenizer) + 2]])).logits.shape == (1, 2)


@pytest.mark.parametrize("targets", [None, ["all-linear"]])
@pytest.mark.parametrize("name", ["custom-attention", "custom-fc", "custom-transformer"])
def test_no_adapter_gets_into_the_encoder(encoder, name, targets):
    words = ["--lora_target_modules", *targets] if targets else []
    model = apply_tuning(on_encoder(name, encoder)[0], parse_run(["--model", "x", "--tuning", "lora", *words]))
    adapters = [weight for weight, _ in model.named_parameters() if "lora" in weight]
    assert adapters
    assert not any("embedding.model" in weight for weight in adapters)


def refusals(encoder: Path) -> list[tuple[list[str], str]]:
    on = ["--embed_with", str(encoder)]
    return [
        ([*on, "--model", str(encoder)], "--embed_with is for a new custom model"),
        ([*on, "--tokenizer", "char"], "brings its own tokenizer"),
        ([*on, "--word_vectors", "x.vec"], "keep one of them"),
        ([*on, "--model_config", "embedding_size=9"], "is 8"),
        (["--embed_with", "custom-gru"], "expected a whole pretrained checkpoint"),
        (["--embed_with", "./nowhere"], "--embed_with ./nowhere: no such folder"),
        (["--embed_with", str(encoder.parent)], "this folder is no checkpoint"),
    ]


def test_what_cannot_be_put_together_is_refused(data, encoder, tmp_path, capsys):
    start = ["--model", "custom-gru", "--train_file", str(data / "train.csv"), "--output_dir", str(tmp_path / "run")]
    for more, message in refusals(encoder):
        assert run_command([*start, *more]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


def test_an_encoder_of_the_hub_is_kept_at_its_commit(hub, encoder, data, tmp_path):
    files = {path.name: path.read_bytes() for path in encoder.iterdir()}
    first = hub.add("me/encoder", files)
    argv = ["--model", "custom-fc", "--embed_with", "me/encoder", "--train_file", str(data / "train.csv")]
    argv += ["--max_steps", "1", "--output_dir", str(tmp_path / "run"), "--disable_tqdm", "true"]
    assert run(parse_run(argv)).embed_with_revision == first
    assert run(parse_run(argv)).embed_with_revision == first
    second = hub.add("me/encoder", files | {"notes.txt": b"more"})
    with pytest.raises(InputError, match=f"embed_with_revision: '{first}' there, '{second}' here"):
        run(parse_run(argv))
