"""How many steps a run makes: none is refused before anything is written."""

from transformers import Trainer

from sentiment_hf.common.errors import TrainingError


def require_steps(trainer: Trainer) -> None:
    """Raise TrainingError if training would make no step: the model would stay as it was and look trained."""
    args = trainer.args
    if args.do_train and not len(trainer.get_train_dataloader()):
        texts = args.train_batch_size * args.world_size
        raise TrainingError(
            f"no step can be made: --dataloader_drop_last leaves out the only batch ({len(trainer.train_dataset)} "
            f"rows of train, batches of {texts}); lower --per_device_train_batch_size or leave out "
            "--dataloader_drop_last"
        )
