"""The command list: the names that --model and --config take."""

from collections.abc import Sequence

from sentiment_hf.common.errors import FlagParser
from sentiment_hf.settings.model_ref import BASELINES, MODELS
from sentiment_hf.settings.recipes import CONFIGS, recipe_names


def list_main(argv: Sequence[str]) -> None:
    """Print the custom models, the baselines and the recipes; raises InputError for any flag other than --help."""
    FlagParser(prog="sentiment-hf list", description=__doc__, allow_abbrev=False).parse_args(argv)
    print("custom models (--model NAME):")
    for name, description in MODELS.items():
        print(f"  {name:<20}{description}")
    print("baselines (--model NAME):")
    for name, description in BASELINES.items():
        print(f"  {name:<36}{description}")
    print(f"recipes (--config FILE) in {CONFIGS}:")
    for name in recipe_names():
        print(f"  {name}.yaml")
