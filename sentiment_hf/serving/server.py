"""Starts the service: checks the model and the port, then mosec, which queues and batches the requests."""

import json
import logging
import multiprocessing
import os
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection

from sentiment_hf.common.errors import InputError, extra_explained
from sentiment_hf.common.ports import require_free_port
from sentiment_hf.serving.messages import MOST_BYTES
from sentiment_hf.serving.served import SETTINGS, Settings


@dataclass(frozen=True)
class Service:
    """How the service is offered.

    host, port: where. workers: processes with a model each. max_batch_size: requests that are classified together, and
    max_wait_ms: how long the first of them waits for others. capacity: requests that may wait; further ones get 429.
    timeout_ms: how long a client waits before it gets 408.
    """

    host: str
    port: int
    workers: int
    max_batch_size: int
    max_wait_ms: int
    capacity: int
    timeout_ms: int


def serve(settings: Settings, service: Service) -> None:
    """Serve the model until a signal comes; requests that are being answered then are.

    Raises:
        InputError: the port is taken, the model cannot be loaded, or mosec is not installed.
    """
    # It reads them when it is imported, and the flags of the command line, which are ours.
    os.environ |= environment(settings, service)
    sys.argv = sys.argv[:1]
    with extra_explained("serve"):
        from mosec import Runtime, Server
        from mosec.log import MOSEC_LOG_NAME
    # It writes its notes itself, in JSON.
    logging.getLogger(MOSEC_LOG_NAME).propagate = False
    require_free_port(service.host, service.port)
    require_loadable(settings)
    from sentiment_hf.serving.workers import Classifier, Reader

    server = Server()
    batch = {"max_batch_size": service.max_batch_size, "max_wait_time": service.max_wait_ms}
    server.register_runtime({"/predict": [Runtime(Reader), Runtime(Classifier, num=service.workers, **batch)]})
    address = f"http://{service.host}:{service.port}"
    print(
        f"{settings.model}: POST {address}/predict, its types {address}/openapi/swagger/, metrics {address}/metrics; "
        "Ctrl-C ends",
        flush=True,
    )
    server.run()


def environment(settings: Settings, service: Service) -> dict[str, str]:
    """The variables by which mosec and the workers know what to do."""
    return {
        SETTINGS: json.dumps(settings.as_json()),
        "MOSEC_ADDRESS": service.host,
        "MOSEC_PORT": str(service.port),
        "MOSEC_TIMEOUT": str(service.timeout_ms),
        "MOSEC_CAPACITY": str(service.capacity),
        "MOSEC_MAX_REQUEST_SIZE": str(MOST_BYTES),
        "MOSEC_NAMESPACE": "sentiment_hf",
        "MOSEC_LOG_LEVEL": "warning",
        # Torch keeps a kernel for each number of texts and of tokens, up to 1 024 of them, which are 140 MB.
        # With 64 an LSTM takes 40 MB, and is as fast.
        "ONEDNN_PRIMITIVE_CACHE_CAPACITY": os.environ.get("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64"),
    }


def require_loadable(settings: Settings) -> None:
    """Raise InputError unless a process of its own can load the model, so that its memory is free again."""
    context = multiprocessing.get_context("spawn")
    mine, other = context.Pipe(duplex=False)
    process = context.Process(target=try_to_load, args=(settings, other))
    process.start()
    other.close()
    try:
        reason = mine.recv()
    except EOFError:
        reason = "the process that loaded it ended"
    process.join()
    if reason:
        raise InputError(reason)


def try_to_load(settings: Settings, answer: Connection) -> None:
    """Send why the model cannot be loaded; None if it can."""
    from sentiment_hf.serving.served import Served

    try:
        Served.of_settings(settings.as_json())
    except InputError as error:
        answer.send(str(error))
    else:
        answer.send(None)
