"""The command run: train, validate and test one model, show its result, and push it if asked to."""

import dataclasses
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sentiment_hf.common.errors import InputError, NotPushedError
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import PROFILE_FILE
from sentiment_hf.common.processor import processor_name
from sentiment_hf.common.profile import PROFILE, profile_table
from sentiment_hf.settings.arguments import DataArguments, RunSpec
from sentiment_hf.settings.run_flags import parse_run

if TYPE_CHECKING:
    from sentiment_hf.runs.report import Report


def run_main(argv: Sequence[str]) -> None:
    """Do what the flags of `run` say; raises as `parse_run` and `perform`."""
    perform(parse_run(argv))


def perform(spec: RunSpec) -> None:
    """Make one run, print its result, and push it with --push_to_hub; raises as `make_run` and `push_run`."""
    if spec.run.dry_run:
        # Imported after the flags are accepted, because it imports torch.
        from sentiment_hf.runs.rehearsal import rehearse

        ready_teacher = None
        if spec.teacher:
            from sentiment_hf.inference.teacher import ready_teacher
        print(rehearse(spec, ready_teacher))
        return
    report = make_run(spec)
    # Imported after the run, which imports torch.
    from accelerate import PartialState

    from sentiment_hf.runs.report import result_table

    if not PartialState().is_main_process:
        return
    print(result_table(report))
    if spec.run.profile:
        show_profile(report)
    print(f"\n{what_next(report)}", flush=True)
    if spec.training["push_to_hub"]:
        print(f"pushed to {push_run(spec, report)}")


def show_profile(report: "Report") -> None:
    """Print where the time of the run went in this process, and write it to profile.json."""
    seconds = PROFILE.end()
    print(f"\n{profile_table(seconds)}")
    write_json(report.folder / PROFILE_FILE, {"seconds": seconds, "processor": processor_name()})


def what_next(report: "Report") -> str:
    """Where the run lies, and the commands that users try next; a run without training holds no model."""
    from sentiment_hf.runs.report import WORDS

    folder = shlex.quote(str(report.folder))
    if report.task == WORDS:
        return f"All of it lies in {folder}. Next:\n  sentiment-hf run --model {folder}{data_words(report.command)}"
    commands = [f"sentiment-hf compare {folder} OTHER_RUNS"]
    if report.total_seconds:
        commands.insert(0, f"sentiment-hf predict {folder} 'A text.'")
    if report.total_seconds and report.tuning != "baseline":
        commands.append(f"sentiment-hf push {folder} --hub_model_id OWNER/NAME")
    return "\n".join([f"All of it lies in {folder}, the scores in report.json. Next:", *(f"  {c}" for c in commands)])


def data_words(command: str) -> str:
    """The flags of a command that say which labelled data it read, as they would follow another command."""
    from sentiment_hf.runs.method import all_flags_in

    of_data = {field.name for field in dataclasses.fields(DataArguments)} | {"dataset"}
    of_data -= {"unlabelled_file", "max_unlabelled_samples"}
    found = {name: values for name, values in all_flags_in(command).items() if name in of_data}
    return "".join(f" --{name} {shlex.join(values)}".rstrip() for name, values in found.items())


def make_run(spec: RunSpec) -> "Report":
    """Make one run, which can be pushed if it is to be, and classify what has no labels with --predict_unlabelled.

    Raises InputError, TrainingError, Interrupted as `run`.
    """
    # Imported first: raises InputError on Windows.
    import sentiment_hf.runs.lock  # noqa: F401

    if spec.training["push_to_hub"]:
        from sentiment_hf.hub.refusals import require_pushable

        require_pushable(spec)
    # Imported after the flags are accepted, because it imports torch.
    from sentiment_hf.runs.run import run

    ask_teacher = None
    if spec.teacher:
        from sentiment_hf.inference.teacher import ask_teacher
    report = run(spec, ask_teacher)
    if spec.data.predict_unlabelled:
        classify_unlabelled(spec, report)
    return report


def classify_unlabelled(spec: RunSpec, report: "Report") -> None:
    """Write what --predict_unlabelled asks for, in one process, by the model of the run or the one that it scored."""
    from accelerate import PartialState

    from sentiment_hf.inference.predict_unlabelled import predict_unlabelled
    from sentiment_hf.runs.run import data_flags
    from sentiment_hf.settings.model_ref import ModelRef

    if not PartialState().is_main_process:
        return
    saves = spec.training["do_train"] or spec.tuning.merge_adapter
    trust = spec.model.trust_remote_code
    ref = ModelRef.in_folder(report.folder, trust_remote_code=trust, flag="--model") if saves else spec.model
    predict_unlabelled(data_flags(spec), ref, report.folder, spec.training["per_device_eval_batch_size"])


def push_run(spec: RunSpec, report: "Report") -> str:
    """Push a run as its flags say; returns its address. Raises NotPushedError: the run is complete and saved."""
    from sentiment_hf.hub.push import Destination, push

    wanted = spec.training["hub_model_id"], spec.training["hub_private_repo"], spec.run.license
    try:
        return push(report.folder, Destination(*wanted, overwrite_card=spec.run.overwrite_card)).address
    except InputError as error:
        raise NotPushedError(f"trained, but not pushed: {error}") from error
