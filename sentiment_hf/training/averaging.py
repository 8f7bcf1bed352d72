"""The moving average of the weights over the steps (--ema), which is what validation scores and what is saved.

A checkpoint has the averaged weights where every checkpoint has its weights, and those of the last step beside them,
from which training goes on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

from sentiment_hf.common.layout import LAST_STEP_WEIGHTS


class AveragedWeights(TrainerCallback):
    """The exponential moving average of the trained weights of a model, which exists while it is trained.

    After `step` steps a new step weighs 1 - min(decay, (1 + step) / (10 + step)), as in TensorFlow, so that the random
    weights of the start are soon forgotten. `resumed` is the checkpoint from which training goes on, if any.
    """

    def __init__(self, decay: float, model: nn.Module):
        self.decay = decay
        self.trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.averages: dict[str, Tensor] = {}
        self.resumed: Path | None = None

    @torch.no_grad()
    def on_train_begin(self, args, state, control, **kwargs):
        """Begin with the weights of the model; a checkpoint has given it the averages, and the last step follows."""
        self.averages = {name: weight.detach().clone() for name, weight in self.trained.items()}
        if self.resumed:
            for name, last in load_file(self.resumed / LAST_STEP_WEIGHTS).items():
                self.trained[name].copy_(last)

    def on_step_end(self, args, state, control, **kwargs):
        """Add the weights of a step."""
        kept = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        weights = [weight.detach() for weight in self.trained.values()]
        torch._foreach_lerp_(list(self.averages.values()), weights, 1 - kept)

    def on_train_end(self, args, state, control, **kwargs):
        """The model keeps the averages of the best checkpoint, which was loaded, or those of the last step."""
        if not (args.load_best_model_at_end and state.best_model_checkpoint):
            self.swap()
        self.averages = {}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block, a model in training has the averaged weights."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights of the model and their averages."""
        for name in self.averages:
            weight = self.trained[name]
            last = weight.detach().clone()
            weight.copy_(self.averages[name])
            self.averages[name].copy_(last)

    def save_last(self, folder: Path) -> None:
        """Write the weights of the last step, which are where the averages are while these are `in_place`."""
        save_file({name: average.contiguous() for name, average in self.averages.items()}, folder / LAST_STEP_WEIGHTS)
