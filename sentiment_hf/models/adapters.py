"""--tuning: train all weights of a model (full), only its head (head), or low-rank adapters and the head (lora)."""

import logging
from pathlib import Path

from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as PEFT_TARGETS
from safetensors import safe_open
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from custom_models import MODEL_NAMES, WRAPPED
from sentiment_hf.common.errors import InputError, did_you_mean, failure_explained
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import ADAPTER_WEIGHTS, LABELS
from sentiment_hf.models.head import head_modules
from sentiment_hf.models.quiet import quiet_loading
from sentiment_hf.settings.arguments import RunSpec, TuningArguments
from sentiment_hf.settings.model_ref import ModelRef

logger = logging.getLogger(__name__)

# Layers that get adapters, for model types that are missing in peft's own table. A model type in neither table gets
# adapters in all linear layers.
TARGET_MODULES = {
    "albert": ["query", "value"],
    "distilbert": ["q_lin", "v_lin"],
    "modernbert": ["Wqkv"],
    # The projections of query, key and value are parameters and not layers, so peft cannot wrap them.
    "xlnet": ["layer_1", "layer_2"],
}
ALL_LINEAR = "all-linear"


def apply_tuning(model: PreTrainedModel, spec: RunSpec) -> PreTrainedModel | PeftModel:
    """Freeze the weights that --tuning does not train, and add adapters for lora. The head is always trained.

    LoRA: Hu et al. 2022. --use_dora: Liu et al. 2024. --use_rslora: Kalajdzievski 2023.

    Raises:
        InputError: the model cannot have these adapters, or is an adapter and --tuning is not lora.
    """
    if isinstance(model, PeftModel):
        if spec.tuning.tuning != "lora":
            raise InputError(
                f"--model {spec.model.name} is an adapter: train it on by --tuning lora, or make a whole "
                "checkpoint of it first: --do_eval --merge_adapter, with the data flags that it was trained with"
            )
        return model
    if spec.tuning.tuning == "full":
        return model
    head = head_modules(model)
    if spec.tuning.tuning == "head":
        model.requires_grad_(False)
        for name in head:
            model.get_submodule(name).requires_grad_(True)
        return model
    return add_adapters(model, spec, head)


def add_adapters(model: PreTrainedModel, spec: RunSpec, head: list[str]) -> PeftModel:
    """New adapters in the layers of --lora_target_modules; the layers of `head` are trained in full.

    Raises:
        InputError: a flag names a layer that the model does not have, or peft cannot adapt a layer.
    """
    tuning = spec.tuning
    if tuning.lora_target_modules != [ALL_LINEAR]:
        refuse_unknown_modules(model, "lora_target_modules", tuning.lora_target_modules or [])
    refuse_unknown_modules(model, "lora_modules_to_save", tuning.lora_modules_to_save or [])
    modules, parameters = lora_targets(model, tuning)
    if parameters and (tuning.use_dora or tuning.lora_dropout):
        raise InputError(
            "--use_dora and --lora_dropout cannot be had for the recurrent weights of "
            f"{model.config.model_type}: peft adapts them as bare tensors; leave both out, or name layers by "
            "--lora_target_modules"
        )
    if parameters and model.config.weight_dropout:
        logger.warning("weight_dropout is off: peft adapts the recurrent weights as bare tensors")
        model.config.weight_dropout = 0.0
    config = lora_config(model, tuning, modules, parameters, head)
    try:
        with quiet_loading():
            tuned = get_peft_model(model, config, revision=spec.model.commit or spec.model.revision)
    except (ValueError, TypeError) as error:
        raise InputError(f"--tuning lora: {' '.join(str(error).split())}") from error
    # The path to the base is absolute, because the adapter may be loaded from any working directory.
    ref = spec.model
    config.base_model_name_or_path = str(ref.folder.resolve()) if ref.is_local else ref.name
    sort_target_modules(config)
    return tuned


def lora_config(
    model: PreTrainedModel, tuning: TuningArguments, modules: list[str], parameters: list[str], head: list[str]
) -> LoraConfig:
    """peft's config for adapters in the layers `modules` and the weights `parameters`; `head` is trained in full."""
    return LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=tuning.lora_r,
        lora_alpha=tuning.lora_alpha,
        lora_dropout=tuning.lora_dropout,
        use_dora=tuning.use_dora,
        use_rslora=tuning.use_rslora,
        target_modules=modules,
        target_parameters=parameters or None,
        # peft matches the end of a layer's path, so a name would match inside the encoder of --embed_with too.
        exclude_modules=r"embedding\..*" if getattr(model.config, "encoder", None) else None,
        modules_to_save=[*head, *(tuning.lora_modules_to_save or [])],
    )


def refuse_unknown_modules(model: PreTrainedModel, flag: str, names: list[str]) -> None:
    """Raise InputError for a name that ends no layer's path. peft itself ignores it if another name is found."""
    paths = [name for name, _ in model.named_modules() if name]
    for name in names:
        if not any(f".{path}".endswith(f".{name}") for path in paths):
            known = {path.rpartition(".")[2] for path in paths}
            raise InputError(f"--{flag} {name}: the model has no such layer{did_you_mean(name, sorted(known))}")


def lora_targets(model: PreTrainedModel, tuning: TuningArguments) -> tuple[list[str], list[str]]:
    """The names of the layers that get an adapter, and the names of the recurrent weights that get one.

    torch holds the weights of a recurrent layer as parameters and not as layers.
    """
    if tuning.lora_target_modules == [ALL_LINEAR]:
        return linear_layers(model), []
    if tuning.lora_target_modules:
        return tuning.lora_target_modules, []
    if model.config.model_type == WRAPPED:
        return lora_targets(model.inner, tuning)
    model_type = model.config.model_type
    if model_type in MODEL_NAMES:
        layers = nn.Linear | nn.Embedding | nn.Conv1d
        # The model reads the weight of the position embedding directly, so an adapter there would have no effect.
        excluded = ("classifier", "columns", "position_embedding", *([] if model.trains_embedding else ["embedding"]))
        modules = [
            name
            for name, part in model.named_modules()
            if isinstance(part, layers) and name.split(".")[0] not in excluded
        ]
        return modules, [
            f"{name}.{weight}"
            for name, part in model.named_modules()
            if isinstance(part, nn.RNNBase)
            for weight in ("weight_ih_l0", "weight_hh_l0")
        ]
    known = TARGET_MODULES.get(model_type) or PEFT_TARGETS.get(model_type)
    return known or linear_layers(model), []


def linear_layers(model: PreTrainedModel) -> list[str]:
    """Names of all linear layers except those of the head and of the frozen encoder of --embed_with."""
    excluded = (*head_modules(model), "embedding.model.")
    return [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear | Conv1D) and not name.startswith(excluded)
    ]


def sort_target_modules(config: LoraConfig) -> None:
    """Sort the names of the adapted layers. peft holds them in a set, whose order differs in every process."""
    config.target_modules = sorted(config.target_modules)


def load_adapter(model: PreTrainedModel, ref: ModelRef, trains: bool) -> PeftModel:
    """Put the adapter of `ref` on `model`, which is its base.

    If the adapter `trains`, a saved head with another number of classes is ignored, and the new head stays.

    Raises:
        InputError: the adapter cannot be loaded, or does not fit `model`.
    """
    with failure_explained(ref.name, ref.flag), quiet_loading():
        tuned = PeftModel.from_pretrained(model, ref.source, is_trainable=trains, ignore_mismatched_sizes=trains)
    sort_target_modules(tuned.peft_config["default"])
    return tuned


def adapter_weight_names(ref: ModelRef) -> set[str]:
    """Names of the weights in the adapter's file, without peft's prefix; those of the head are among them.

    Raises:
        InputError: the file cannot be read.
    """
    with failure_explained(ref.name, ref.flag), safe_open(Path(ref.folder, ADAPTER_WEIGHTS), "pt") as file:
        return {name.removeprefix("base_model.model.") for name in file.keys()}  # noqa: SIM118


def write_labels(model: PeftModel, folder: Path) -> None:
    """Write the names of the classes to labels.json, because the files of an adapter do not hold them."""
    names, settings = model.config.id2label, dict(getattr(model.config, "task_settings", None) or {})
    task = {"task": settings.pop("task"), "task_settings": settings} if settings else {}
    write_json(folder / LABELS, {"labels": [names[index] for index in sorted(names)]} | task)
