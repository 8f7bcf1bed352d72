"""A saved model is complete: it loads, classifies and is saved again where our packages are not installed."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from conftest import LABELS, small_model
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification
from transformers.dynamic_module_utils import get_relative_imports

import custom_models
from custom_models import BODIES, MODEL_NAMES, MODELS
from sentiment_hf.models.fresh import parse_model_config
from sentiment_hf.models.wrap import wrapped
from sentiment_hf.settings.model_ref import Kind, ModelRef

CODE = Path(custom_models.__file__).parent
MODULES = sorted(path for path in CODE.glob("*.py") if path.name != "__init__.py")
RECIPE = Path(__file__).parents[2] / "configs" / "transformer-800m.yaml"
ALLOWED = {"torch", "transformers", "huggingface_hub"}
COLUMNS = {"number_columns": {"price": [30.0, 10.0]}, "category_columns": {"country": ["de", "fr"]}}
TEXTS = ["A fine film.", "The soup was cold and the waiter rude!", ""]
SAVED = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}

# Loads, classifies and saves again every model in folder A, into folder B; logits go into B/logits.safetensors, with
# the states of every body in folder C.
WITHOUT_US = """
import json, sys
from pathlib import Path

sys.modules["custom_models"] = sys.modules["sentiment_hf"] = None

import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline

source, target, bodies, texts = *map(Path, sys.argv[1:4]), json.loads(sys.argv[4])
found = {}
for folder in sorted(source.iterdir()):
    name = folder.name
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model.save_pretrained(target / name)
    again = AutoModelForSequenceClassification.from_pretrained(target / name, trust_remote_code=True)
    with torch.no_grad():
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        found["batch " + name], found["again " + name] = model(**batch).logits, again(**batch).logits
    classify = pipeline("text-classification", str(folder), trust_remote_code=True, device="cpu")
    results = [{r["label"]: r["score"] for r in row} for row in classify(texts, top_k=None, function_to_apply="none")]
    labels = [model.config.id2label[index] for index in range(model.config.num_labels)]
    found["pipeline " + name] = torch.tensor([[row[label] for label in labels] for row in results])
    assert type(model).__module__.startswith("transformers_modules."), type(model)
for folder in sorted(bodies.iterdir()):
    with torch.no_grad():
        body = AutoModel.from_pretrained(folder, trust_remote_code=True)
        found["body " + folder.name] = body(**batch).last_hidden_state
    assert type(body).__module__.startswith("transformers_modules."), type(body)
save_file(found, target / "logits.safetensors")
"""


def imports(path: Path) -> tuple[set[str], set[str]]:
    """(siblings imported as `from .x import y`, top-level names of all other packages)."""
    siblings, packages = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"{path.name} line {node.lineno}: only siblings travel along"
            assert node.module, f"{path.name} line {node.lineno}: the library overlooks `from . import x`"
            assert "." not in node.module, f"{path.name} line {node.lineno}: the folder is flat"
            siblings.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            packages.add(node.module.split(".")[0])
    return siblings, packages


def code_of(module: str) -> set[str]:
    """The file of a module of `custom_models`, and those that it needs."""
    files = {f"{module}.py"}
    for sibling in imports(CODE / f"{module}.py")[0]:
        files |= code_of(sibling)
    return files


def wrapped_bert(vocabulary: int):
    """A pretrained model with columns beside the text."""
    sizes = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    bert = BertForSequenceClassification(BertConfig(vocab_size=vocabulary, **sizes))
    names = {"id2label": LABELS, "label2id": {label: index for index, label in LABELS.items()}}
    return wrapped(bert, ModelRef("bert", Kind.CHECKPOINT), names | COLUMNS).eval()


@pytest.fixture(scope="module")
def shipped(tokenizer, tmp_path_factory) -> tuple[dict, Path, Path]:
    """The models by name, the folder in which they were saved, and the one that the process without us wrote."""
    source, target, bodies, home = (tmp_path_factory.mktemp(name) for name in ("saved", "again", "bodies", "home"))
    models = {name: small_model(name, vocab_size=len(tokenizer)) for name in MODEL_NAMES}
    models["with columns"] = small_model("custom-lstm", vocab_size=len(tokenizer), **COLUMNS)
    models["wrapped"] = wrapped_bert(len(tokenizer))
    for name, model in models.items():
        model.save_pretrained(source / name)
        tokenizer.save_pretrained(source / name)
    for config_class, body in BODIES:
        body.from_pretrained(source / config_class.model_type).save_pretrained(bodies / config_class.model_type)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HOME": str(home)}
    command = [sys.executable, "-c", WITHOUT_US, str(source), str(target), str(bodies), json.dumps(TEXTS)]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return models, source, target


@pytest.mark.parametrize("name", [*MODEL_NAMES, "with columns", "wrapped"])
def test_a_saved_model_classifies_alike_without_our_packages(name, shipped, tokenizer):
    models, _, target = shipped
    found = load_file(target / "logits.safetensors")
    with torch.no_grad():
        batch = models[name](**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits
        one_by_one = torch.cat([models[name](**tokenizer(text, return_tensors="pt")).logits for text in TEXTS])
    for key, expected in {"batch": batch, "again": batch, "pipeline": one_by_one}.items():
        torch.testing.assert_close(found[f"{key} {name}"], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", [config.model_type for config, _ in BODIES])
def test_a_saved_body_gives_the_same_states_without_our_packages(name, shipped, tokenizer):
    models, _, target = shipped
    found = load_file(target / "logits.safetensors")[f"body {name}"]
    with torch.no_grad():
        expected = models[name].token_states(**tokenizer(TEXTS, padding=True, return_tensors="pt"))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("config_class", "model_class"), MODELS, ids=MODEL_NAMES)
def test_a_folder_holds_the_model_its_tokenizer_and_its_code(config_class, model_class, shipped):
    _, source, target = shipped
    module = model_class.__module__.rpartition(".")[2]
    code = code_of(module)
    for folder, expected in (
        (source, SAVED | code),
        (target, SAVED - {"tokenizer.json", "tokenizer_config.json"} | code),
    ):
        there = folder / config_class.model_type
        assert {path.name for path in there.iterdir() if path.name != "__pycache__"} == expected
        for name in code:
            assert (there / name).read_bytes() == (CODE / name).read_bytes()
        assert json.loads((there / "config.json").read_text())["auto_map"] == {
            "AutoConfig": f"{module}.{config_class.__name__}",
            "AutoModelForSequenceClassification": f"{module}.{model_class.__name__}",
        }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_code_that_travels_imports_siblings_torch_and_transformers_alone(path):
    siblings, packages = imports(path)
    assert packages - sys.stdlib_module_names <= ALLOWED
    assert {f"{sibling}.py" for sibling in siblings} <= {module.name for module in MODULES}
    # The library searches the text for such lines, and would take one in a docstring for an import.
    assert set(get_relative_imports(path)) == siblings


def test_the_large_recipe_has_about_800_million_parameters():
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    assert recipe["model"] == "custom-transformer"
    assert recipe["vocab_size"] == 50_000
    settings = parse_model_config(recipe["model"], recipe["model_config"])
    with torch.device("meta"):
        config = AutoConfig.for_model(recipe["model"], vocab_size=recipe["vocab_size"], **settings)
        model = AutoModelForSequenceClassification.from_config(config)
    assert 700e6 < model.num_parameters() < 900e6
