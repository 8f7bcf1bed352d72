"""In which settings the run in a folder differs from the one that is asked for, whatever version wrote the folder."""

import json
import logging
from typing import Any

from transformers import TrainingArguments

from sentiment_hf.runs.identity import HASHES, LATER_SETTINGS, NEUTRAL_SETTINGS
from sentiment_hf.settings.flags import flags_of
from sentiment_hf.settings.parser import DEFAULTS, GROUPS
from sentiment_hf.settings.run_flags import RUN_PARTS

logger = logging.getLogger(__name__)


def changed_settings(saved: dict[str, Any], identity: dict[str, Any]) -> dict[str, str]:
    """{setting: both values} for the settings in which two identities differ.

    A setting that an older version did not know had its default. A setting that only a later version knows cannot be
    compared: it is left out, and named in a warning if it has a value. Neutral settings are left out, because an older
    version may have saved them.
    """
    then, identity = (
        LATER_SETTINGS | {name: value for name, value in settings.items() if name not in NEUTRAL_SETTINGS}
        for settings in (saved, identity)
    )
    unknown = [name for name in then if name not in identity and name not in HASHES]
    if valued := [f"{name} {then[name]!r}" for name in unknown if then[name]]:
        logger.warning("run.json has settings that this version does not know: %s", ", ".join(valued)[:200])
    if then.get("do_train"):
        # Test is scored after training, with what was trained.
        then["do_predict"] = identity["do_predict"]
    if identity.keys() - then.keys():
        then = {name: value for name, value in default_settings().items() if name in identity} | then
    names = [name for name in {**then, **identity} if name not in unknown and then.get(name) != identity.get(name)]
    return {name: f"{name}: {then.get(name)!r} there, {identity.get(name)!r} here" for name in names}


def default_settings() -> dict[str, Any]:
    """{flag: value} of a run without flags and recipe, in the form of an identity."""
    own = {flag.name: flag.default for group in GROUPS for flag in flags_of(group)}
    # The processor, because a default must not depend on the machine; it is no part of an identity.
    given = DEFAULTS | dict.fromkeys(RUN_PARTS, True) | {"use_cpu": True}
    return json.loads(json.dumps(own | TrainingArguments(**given).to_dict(), default=str))
