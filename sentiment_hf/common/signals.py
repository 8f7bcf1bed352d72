"""Handlers of signals, where this thread may set them."""

import signal
import threading
from collections.abc import Callable, Iterable


def set_handlers(numbers: Iterable[int], handler: Callable) -> dict[int, Callable | int | None]:
    """Handle these signals by `handler`; returns the handlers of before by number.

    Nothing is set outside of the main thread, as in a server that a notebook talks to: Python allows it there only.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in numbers}


def restore_handlers(before: dict[int, Callable | int | None]) -> None:
    """Undo `set_handlers`."""
    for number, handler in before.items():
        signal.signal(number, handler)
