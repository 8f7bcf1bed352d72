"""Refuse flags that the runs of a comparison would refuse, without torch and without reading the data."""

from sentiment_hf.common.errors import InputError
from sentiment_hf.comparison.plan.flags import CompareArguments
from sentiment_hf.settings.arguments import DataArguments, RunSpec
from sentiment_hf.settings.run_flags import parse_run


def data_of_folders(args: CompareArguments) -> DataArguments | None:
    """The data flags that go with finished folders, None without any; raises InputError for wrong ones."""
    if args.words([]) or args.rows_file:
        return parse_run(args.words(["--model", "baseline-majority"])).data
    return None


def refuse_runs(args: CompareArguments) -> None:
    """Raise InputError if `sentiment-hf run` would refuse the flags of a model, or the runs would not score test."""
    first, *others = args.models
    # A flag that the first model refuses is mostly wrong for all models, so the error for the first has no hint.
    specs = {first: parse_run(args.words(args.models[first].flags))}
    specs |= {model: accepted_run(args, model) for model in others}
    for model, spec in specs.items():
        if spec.run.objective == "words":
            raise InputError(f"{model}-seed0: a language model has no scores on test; leave out --objective words")
        if not spec.training["do_predict"]:
            raise InputError(
                f"{model}-seed0: models are compared on test: leave out --do_train and --do_eval, or add --do_predict"
            )


def accepted_run(args: CompareArguments, model: str) -> RunSpec:
    """The `RunSpec` of one model; raises InputError with the name of its first run."""
    try:
        return parse_run(args.words(args.models[model].flags))
    except InputError as error:
        hint = "a flag that not all models take goes into quotes with one: 'custom-lstm --max_steps 500'"
        raise InputError(f"{model}-seed0: {error} ({hint})") from error
