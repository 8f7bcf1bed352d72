"""The command run: train, validate and test one model, show its result, and push it if asked to."""

from collections.abc import Sequence

from sentiment_hf.common.errors import InputError, NotPushedError
from sentiment_hf.settings.run_flags import parse_run


def run_main(argv: Sequence[str]) -> None:
    """Make one run, print its result, and push it with --push_to_hub.

    Raises:
        InputError, TrainingError, Interrupted: as `run`.
        NotPushedError: the run is complete and saved, but it could not be pushed.
    """
    spec = parse_run(argv)
    # Imported first: raises InputError on Windows.
    import sentiment_hf.runs.lock  # noqa: F401

    if spec.training["push_to_hub"]:
        from sentiment_hf.hub.refusals import require_pushable

        require_pushable(spec)
    # Imported after the flags are accepted, because these import torch.
    from accelerate import PartialState

    from sentiment_hf.runs.report import result_table
    from sentiment_hf.runs.run import run

    report = run(spec)
    if not PartialState().is_main_process:
        return
    print(result_table(report), flush=True)
    if spec.training["push_to_hub"]:
        from sentiment_hf.hub.push import push

        wanted = spec.training["hub_model_id"], spec.training["hub_private_repo"], spec.run.license
        try:
            url = push(report.folder, *wanted, overwrite_card=spec.run.overwrite_card)
        except InputError as error:
            raise NotPushedError(f"trained, but not pushed: {error}") from error
        print(f"pushed to {url}")
