"""Ports that a program listens at."""

import socket

from sentiment_hf.common.errors import InputError

LAST_PORT = 65_535


def require_port(port: int) -> None:
    """Raise InputError unless `port` is the number of one."""
    if port < 1:
        raise InputError(f"--port {port} must be at least 1; --help lists the flags")
    if port > LAST_PORT:
        raise InputError(f"--port {port} must be at most {LAST_PORT}; --help lists the flags")


def require_free_port(host: str, port: int) -> None:
    """Raise InputError unless the port can be listened to."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise InputError(
            f"--port {port}: {host} cannot be listened to there ({error.strerror}); choose another"
        ) from error
