"""Differentially private training (DP-SGD, Abadi et al. 2016), with --dp_epsilon.

A step takes each text with the same probability, shortens the gradient of each to one length, adds normal noise to
their sum, and leaves the rest to the optimizer. What the noise and the draws are made of is a secret of the run, which
its checkpoints keep until the run is finished: with the secret, the noise could be taken off again.
"""

import hashlib
import math
import secrets
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from opacus.accountants import PRVAccountant, RDPAccountant
from opacus.accountants.utils import get_noise_multiplier
from scipy.special import ndtri
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from transformers import BatchEncoding, TrainingArguments

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import PRIVACY
from sentiment_hf.settings.arguments import RunArguments
from sentiment_hf.text.encoded import EncodedTexts
from sentiment_hf.training.batches import FewLengthsCollator
from sentiment_hf.training.checkpoints import (
    checkpoint_at,
    checkpoint_step,
    delete_checkpoints,
)
from sentiment_hf.training.disk import full_disk_explained
from sentiment_hf.training.row_gradients import RowGradients
from sentiment_hf.training.trainer import ClassificationTrainer

# The orders of Rényi divergence, of which the smallest bound counts.
ORDERS = (*RDPAccountant.DEFAULT_ALPHAS, 80, 96, 128, 192, 256, 512)

# Texts whose gradients are kept at a time, and the numbers that these may have.
PIECE, KEPT_NUMBERS = 64, 2**24
SECRET_BYTES = 32


@dataclass(frozen=True)
class PrivacyPlan:
    """What a private run does, from which follows what it guarantees.

    epsilon, delta: what is not to be exceeded after `steps` steps.
    noise_multiplier: standard deviation of the noise, in lengths of `max_grad_norm`.
    sample_rate: probability with which a step takes a text; `batch` is how many it then takes on average.
    """

    epsilon: float
    delta: float
    max_grad_norm: float
    noise_multiplier: float
    sample_rate: float
    batch: int
    steps: int

    @classmethod
    def of_run(cls, args: TrainingArguments, run_args: RunArguments, rows: int) -> Self:
        """The plan for so many rows of train and the steps of `args`; raises InputError if no noise is enough."""
        batch = min(args.train_batch_size, rows)
        steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * math.ceil(rows / batch))
        delta = run_args.dp_delta or 1 / (10 * rows)
        if delta >= 1 / rows:
            raise InputError(
                f"--dp_delta {delta:g}: with {rows:,} rows of train that allows to publish one of them; expected "
                f"less than 1 / rows, as the default of {1 / (10 * rows):.2g}"
            )
        rate = batch / rows
        noise = noise_for(run_args.dp_epsilon, target_delta=delta, sample_rate=rate, steps=steps)
        return cls(run_args.dp_epsilon, delta, run_args.dp_max_grad_norm, noise, rate, batch, steps)

    def spent(self, steps: int) -> dict[str, float]:
        """ε after so many steps: two upper bounds, by Rényi differential privacy and by privacy random variables."""
        by_orders, by_variables = RDPAccountant(), PRVAccountant()
        by_orders.history = by_variables.history = [(self.noise_multiplier, self.sample_rate, steps)]
        with warnings.catch_warnings():
            # Of an order at the end of the list, whose bound is one all the same, and of a rate of 1.
            warnings.simplefilter("ignore")
            found = by_orders.get_epsilon(self.delta, alphas=ORDERS), by_variables.get_epsilon(self.delta)
        # Of very much noise the first formula says less than 0, which holds for 0 too.
        return dict(zip(("epsilon_rdp", "epsilon_prv"), (max(0.0, float(epsilon)) for epsilon in found), strict=True))


def noise_for(epsilon: float, **plan: float) -> float:
    """The noise multiplier that keeps this ε. Raises InputError if none that is known to opacus does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return get_noise_multiplier(target_epsilon=epsilon, alphas=ORDERS, **plan)
    except ValueError as error:
        raise InputError(
            f"--dp_epsilon {epsilon:g} cannot be kept for {plan['steps']:,} steps, each of which takes a share of "
            f"{plan['sample_rate']:.2g} of train, by any noise; make fewer or smaller steps, or raise it"
        ) from error


class Chance:
    """Random numbers that whoever has the secret can draw again, and nobody else: those of each step by themselves.

    They are the bytes of SHAKE-256, for a generator of torch or NumPy can be told from its own numbers.
    """

    def __init__(self, secret: bytes):
        self.secret = secret

    def uniform(self, purpose: str, step: int, count: int) -> np.ndarray:
        """(count,) float64 between 0 and 1, both excluded."""
        seed = self.secret + f"{purpose} {step}".encode()
        bits = np.frombuffer(hashlib.shake_256(seed).digest(8 * count), np.uint64)
        return ((bits >> np.uint64(11)) + 0.5) * 2.0**-53

    def seed(self, purpose: str, step: int) -> int:
        """A seed for the generator of torch."""
        return int(self.uniform(purpose, step, 1)[0] * 2**62)

    def normal(self, purpose: str, step: int, count: int) -> np.ndarray:
        """(count,) float32 of mean 0 and deviation 1."""
        return ndtri(self.uniform(purpose, step, count)).astype(np.float32)


class PoissonBatches(Sampler[np.ndarray]):
    """The rows of each step: a row is taken with the same probability, whatever other rows are taken; maybe none."""

    def __init__(self, rows: int, plan: PrivacyPlan, chance: Chance):
        self.rows, self.plan, self.chance, self.epoch = rows, plan, chance, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, on which the steps depend. `Trainer` calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.rows / self.plan.batch)

    def __iter__(self) -> Iterator[np.ndarray]:
        for step in range(self.epoch * len(self), (self.epoch + 1) * len(self)):
            drawn = self.chance.uniform("rows", step, self.rows)
            yield np.flatnonzero(drawn < self.plan.sample_rate)


class PieceCollator:
    """Cut a batch into pieces of texts of similar length: {"pieces": [...]}, each as of `FewLengthsCollator`."""

    def __init__(self, collator: FewLengthsCollator, size: int):
        self.collator, self.size = collator, size

    def __call__(self, batch: list[EncodedTexts]) -> dict[str, list[BatchEncoding]]:
        """The batch, the only element of the list that `DataLoader` hands over. An empty one has no pieces."""
        (texts,) = batch
        order = np.argsort(-texts.lengths, kind="stable")
        begins = range(0, len(order), self.size)
        return {"pieces": [self.collator([texts.select(order[begin : begin + self.size])]) for begin in begins]}


class PrivateTrainer(ClassificationTrainer):
    """`ClassificationTrainer` that makes the steps of a `PrivacyPlan`."""

    def __init__(self, *args, plan: PrivacyPlan, **kwargs):
        super().__init__(*args, **kwargs)
        self.plan, self.chance = plan, Chance(secrets.token_bytes(SECRET_BYTES))
        self.gradients = RowGradients(self.model)

    def train(self, *args, resume_from_checkpoint: str | None = None, **kwargs):
        """Train, from a checkpoint with the secret that it has."""
        if resume_from_checkpoint:
            self.plan, self.chance = read_privacy(Path(resume_from_checkpoint), self.plan)
        return super().train(*args, resume_from_checkpoint=resume_from_checkpoint, **kwargs)

    def get_train_dataloader(self) -> DataLoader:
        """The batches of the plan, in pieces whose gradients fit into memory."""
        size = max(1, min(PIECE, KEPT_NUMBERS // max(1, self.gradients.kept_numbers)))
        loader = DataLoader(
            self.train_dataset,
            batch_sampler=PoissonBatches(len(self.train_dataset), self.plan, self.chance),
            collate_fn=PieceCollator(self.data_collator, size),
            num_workers=self.args.dataloader_num_workers,
        )
        return self.accelerator.prepare(loader)

    def training_step(self, model: nn.Module, inputs: dict, num_items_in_batch=None) -> Tensor:
        """Set the gradient of a step: the noisy sum of the clipped gradients of its texts, over the planned batch.

        The loss that is returned, for the log, is not private.
        """
        sums = {name: torch.zeros_like(weight) for name, weight in self.gradients.trained.items()}
        loss = torch.zeros((), device=self.args.device)
        with self.gradients.watching(), self.secret_dropout():
            model.train()
            for piece in inputs["pieces"]:
                loss += self.add_piece(model, self._prepare_inputs(piece), sums)
        self.set_noisy(sums)
        return loss / self.plan.batch

    @contextmanager
    def secret_dropout(self) -> Iterator[None]:
        """Within the block, dropout is drawn from the secret: with a public seed, rows would share known masks."""
        device = self.args.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(self.chance.seed("dropout", self.state.global_step))
            yield

    def add_piece(self, model: nn.Module, piece: dict, sums: dict[str, Tensor]) -> Tensor:
        """Add the clipped gradients of the texts of a piece to `sums`; the sum of their losses."""
        rows, count = piece.pop("row"), len(piece["labels"])
        self.clock.count(self.mask_of(piece))
        # The loss is a mean over the texts of a piece.
        loss = self.compute_loss(model, piece) * count
        model.zero_grad()
        with warnings.catch_warnings():
            # Of the first layer, whose input is no weight.
            warnings.filterwarnings("ignore", "Full backward hook is firing")
            loss.backward()
        for name, gradient in self.gradients.clipped(count, self.plan.max_grad_norm).items():
            sums[name] += gradient
        self.current_step.add(rows, loss.detach())
        return loss.detach()

    def set_noisy(self, sums: dict[str, Tensor]) -> None:
        """Set the gradient of each weight: its sum with noise, divided by the texts that a step takes on average."""
        size = sum(weight.numel() for weight in sums.values())
        noise = torch.from_numpy(self.chance.normal("noise", self.state.global_step, size)).to(self.args.device)
        deviation = self.plan.noise_multiplier * self.plan.max_grad_norm
        parts = noise.split([weight.numel() for weight in sums.values()])
        for (name, total), part in zip(sums.items(), parts, strict=True):
            self.gradients.trained[name].grad = (total + deviation * part.view_as(total)) / self.plan.batch

    def floating_point_ops(self, inputs: dict) -> int:
        """Those of the pieces of a batch."""
        return sum(super(PrivateTrainer, self).floating_point_ops(piece) for piece in inputs["pieces"])

    def guarantee(self) -> dict[str, Any]:
        """The plan, the steps that were made, before training those that are planned, and the ε that they spend."""
        steps = self.state.global_step or self.plan.steps
        planned = {"target_epsilon": self.plan.epsilon, "planned_steps": self.plan.steps, "steps": steps}
        plan = {name: value for name, value in asdict(self.plan).items() if name not in ("epsilon", "steps")}
        return planned | self.plan.spent(steps) | plan

    def _save_checkpoint(self, *args, **kwargs) -> None:
        """As in `SafeTrainer`; add privacy.json before the manifest is written, which no public method allows."""
        super()._save_checkpoint(*args, **kwargs)
        there = checkpoint_at(self.args.output_dir, self.state.global_step)
        content = asdict(self.plan) | {"steps_made": self.state.global_step, "secret": self.chance.secret.hex()}
        with full_disk_explained(there):
            write_json(there / PRIVACY, content)

    def keep_best_alone(self) -> None:
        """The run is finished and forgets its secret, and its checkpoints if --save_total_limit is 1."""
        folder = Path(self.args.output_dir)
        if self.args.save_total_limit == 1:
            delete_checkpoints(folder)
        # What a damaged checkpoint holds may be of other noise than that which is accounted for.
        for damaged in folder.glob("checkpoint-*.invalid"):
            shutil.rmtree(damaged)
        for file in folder.glob(f"checkpoint-*/{PRIVACY}"):
            file.unlink()


def read_privacy(checkpoint: Path, plan: PrivacyPlan) -> tuple[PrivacyPlan, Chance]:
    """The plan and the chance of the run that wrote the checkpoint.

    Raises:
        InputError: privacy.json is missing or damaged, or holds another plan than this run has.
    """
    remedy = "delete the checkpoint, and the same command goes on from the one before"
    content = read_json(checkpoint / PRIVACY, remedy)
    try:
        secret = bytes.fromhex(content["secret"])
        saved = PrivacyPlan(**{name: content[name] for name in asdict(plan)})
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(f"{checkpoint / PRIVACY} is damaged: {remedy}") from error
    if saved != plan or len(secret) != SECRET_BYTES or content.get("steps_made") != checkpoint_step(checkpoint):
        raise InputError(
            f"{checkpoint / PRIVACY} does not belong to this run, whose ε it would not count: {remedy}, or give "
            "--overwrite to train anew"
        )
    return saved, Chance(secret)
