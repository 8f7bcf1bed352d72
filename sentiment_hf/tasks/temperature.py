"""Temperature scaling (Guo et al. 2017): logits are divided by a number with which held-out labels are most likely."""

import math
from collections.abc import Callable

from scipy.optimize import minimize_scalar

# The range of the logarithm of a temperature, and the standard deviation that it has before any row was seen. A few
# rows that are all right would otherwise make a model sure beyond measure; from some hundred rows on it has no say.
LARGEST, SPREAD = 3.0, 0.5


def fitted_temperature(loss: Callable[[float], float]) -> float:
    """The most likely temperature; `loss` is the sum over rows of -log p of the labels, in nats, at a temperature."""

    def of_logarithm(logarithm: float) -> float:
        return loss(math.exp(logarithm)) + (logarithm / SPREAD) ** 2 / 2

    found = minimize_scalar(of_logarithm, bounds=(-LARGEST, LARGEST), method="bounded", options={"xatol": 1e-5})
    return math.exp(found.x)
