"""What the perturbations are called."""

from collections.abc import Mapping

# {key in robustness.json: name for a reader}, in the order in which they are shown.
NAMES = {
    "typos_10": "typos 10 %",
    "typos_30": "typos 30 %",
    "dropped_20": "dropped 20 %",
    "elongated_10": "elongated 10 %",
    "upper_case": "upper case",
    "no_punctuation": "no punctuation",
    "american": "American spelling",
    "irrelevant_end": "irrelevant end",
}
# The key of what is measured on written pairs.
NEGATION = "negation"


def by_reason(left_out: Mapping[str, str]) -> dict[str, list[str]]:
    """{key: why it is left out} -> {reason: the names that it is for}"""
    return {
        reason: [NAMES.get(key, key) for key, other in left_out.items() if other == reason]
        for reason in dict.fromkeys(left_out.values())
    }
