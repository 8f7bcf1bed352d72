"""--tuning: which weights of a checkpoint are trained: all, its head alone, or low-rank adapters and the head."""

import logging
from pathlib import Path

from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as PEFT_TARGETS
from safetensors import safe_open
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from custom_models import MODEL_NAMES
from sentiment_hf.common.errors import InputError, did_you_mean, failure_explained
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import ADAPTER_WEIGHTS, LABELS
from sentiment_hf.models.head import head_modules
from sentiment_hf.settings.arguments import RunSpec, TuningArguments
from sentiment_hf.settings.model_ref import ModelRef

logger = logging.getLogger(__name__)

# Where peft has no layers for a model type. What stands in neither table gets adapters on all its linear layers.
TARGETS = {
    "albert": ["query", "value"],
    "distilbert": ["q_lin", "v_lin"],
    "modernbert": ["Wqkv"],
    # Its projections of query, key and value are no layers but bare tensors.
    "xlnet": ["layer_1", "layer_2"],
}
ALL_LINEAR = "all-linear"


def tune(model: PreTrainedModel, spec: RunSpec) -> PreTrainedModel | PeftModel:
    """The model with the weights frozen that --tuning leaves alone; the head is trained always.

    Hu et al. 2022 for the adapters, Liu et al. 2024 for --use_dora, Kalajdzievski 2023 for --use_rslora.

    Raises:
        InputError: adapters that this model cannot have.
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
    return with_adapter(model, spec, head)


def with_adapter(model: PreTrainedModel, spec: RunSpec, head: list[str]) -> PeftModel:
    """Fresh adapters in the layers of --lora_target_modules, beside a head that is trained whole."""
    wanted = spec.tuning
    if wanted.lora_target_modules != [ALL_LINEAR]:
        refuse_unknown_modules(model, "lora_target_modules", wanted.lora_target_modules or [])
    refuse_unknown_modules(model, "lora_modules_to_save", wanted.lora_modules_to_save or [])
    modules, parameters = lora_targets(model, wanted)
    if parameters and (wanted.use_dora or wanted.lora_dropout):
        raise InputError(
            "--use_dora and --lora_dropout cannot be had for the recurrent weights of "
            f"{model.config.model_type}: peft adapts them as bare tensors; leave both out, or name layers by "
            "--lora_target_modules"
        )
    if parameters and model.config.weight_dropout:
        logger.warning("weight_dropout is off: peft adapts the recurrent weights as bare tensors")
        model.config.weight_dropout = 0.0
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=wanted.lora_r,
        lora_alpha=wanted.lora_alpha,
        lora_dropout=wanted.lora_dropout,
        use_dora=wanted.use_dora,
        use_rslora=wanted.use_rslora,
        target_modules=modules,
        target_parameters=parameters or None,
        # Names of layers are taken as endings, which layers inside an encoder may have too; it is not trained.
        exclude_modules=r"embedding\..*" if getattr(model.config, "encoder", None) else None,
        modules_to_save=[*head, *(wanted.lora_modules_to_save or [])],
    )
    try:
        tuned = get_peft_model(model, config, revision=spec.model.commit or spec.model.revision)
    except (ValueError, TypeError) as error:
        raise InputError(f"--tuning lora: {' '.join(str(error).split())}") from error
    # An adapter is loaded from anywhere, so a relative path would not do.
    ref = spec.model
    config.base_model_name_or_path = str(ref.folder.resolve()) if ref.is_local else ref.name
    sort_targets(config)
    return tuned


def refuse_unknown_modules(model: PreTrainedModel, flag: str, names: list[str]) -> None:
    """peft leaves out what it does not find, as long as it finds something; a name is the end of a path."""
    paths = [name for name, _ in model.named_modules() if name]
    for wanted in names:
        if not any(f".{path}".endswith(f".{wanted}") for path in paths):
            known = {path.rpartition(".")[2] for path in paths}
            raise InputError(f"--{flag} {wanted}: the model has no such layer{did_you_mean(wanted, sorted(known))}")


def lora_targets(model: PreTrainedModel, wanted: TuningArguments) -> tuple[list[str], list[str]]:
    """Names of layers, and of weights of recurrent cells, that get an adapter."""
    if wanted.lora_target_modules == [ALL_LINEAR]:
        return linear_layers(model), []
    if wanted.lora_target_modules:
        return wanted.lora_target_modules, []
    model_type = model.config.model_type
    if model_type in MODEL_NAMES:
        layers = nn.Linear | nn.Embedding | nn.Conv1d
        # Positions are read as a bare tensor, past any adapter.
        left = ("classifier", "position_embedding", *([] if model.trains_embedding else ["embedding"]))
        modules = [
            name for name, part in model.named_modules() if isinstance(part, layers) and name.split(".")[0] not in left
        ]
        return modules, [
            f"{name}.{weight}"
            for name, part in model.named_modules()
            if isinstance(part, nn.RNNBase)
            for weight in ("weight_ih_l0", "weight_hh_l0")
        ]
    known = TARGETS.get(model_type) or PEFT_TARGETS.get(model_type)
    return known or linear_layers(model), []


def linear_layers(model: PreTrainedModel) -> list[str]:
    """Names of all linear layers but those of the head, and of a frozen encoder under a custom model."""
    left = (*head_modules(model), "embedding.model.")
    return [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear | Conv1D) and not name.startswith(left)
    ]


def sort_targets(config: LoraConfig) -> None:
    """peft keeps the names in a set, and would write them in another order in every process."""
    config.target_modules = sorted(config.target_modules)


def load_adapter(model: PreTrainedModel, ref: ModelRef, trains: bool) -> PeftModel:
    """The adapter of `ref` around its base; a head for other classes than it knew is left out if it `trains`.

    Raises:
        InputError: the adapter cannot be loaded, or does not fit the model.
    """
    with failure_explained(ref.name, ref.flag):
        tuned = PeftModel.from_pretrained(model, ref.source, is_trainable=trains, ignore_mismatched_sizes=trains)
    sort_targets(tuned.peft_config["default"])
    return tuned


def saved_with_adapter(ref: ModelRef) -> set[str]:
    """Names of those weights of the model that the adapter brings whole.

    Raises:
        InputError: its file of weights cannot be read.
    """
    with failure_explained(ref.name, ref.flag), safe_open(Path(ref.folder, ADAPTER_WEIGHTS), "pt") as file:
        return {name.removeprefix("base_model.model.") for name in file.keys()}  # noqa: SIM118


def write_labels(model: PeftModel, folder: Path) -> None:
    """The names of the classes, for which the format of an adapter has no place."""
    names = model.config.id2label
    write_json(folder / LABELS, {"labels": [names[index] for index in sorted(names)]})
