"""The page of some models, and its server."""

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sentiment_hf.common.signals import set_handlers
from sentiment_hf.demo.app import blank_page, launch, text_tab
from sentiment_hf.demo.file_tab import file_tab
from sentiment_hf.demo.models import shown_model
from sentiment_hf.demo.words import Shown, words_row

# The browser loads nothing from elsewhere, whatever a version of gradio may come to ask for.
POLICY = (b"content-security-policy", b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:")


class OwnFilesOnly:
    """Middleware that adds the policy to each answer."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as `app` does, with one more header."""

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], POLICY]
            await send(message)

        await self.app(scope, receive, send_with_policy)


def page_of(models: Sequence[Shown], examples: Sequence[str], folder: Path) -> gr.Blocks:
    """The page of these models; files lie in `folder` for minutes."""
    with blank_page(", ".join(model.name for model in models)) as page:
        with gr.Tab("A text"):
            text, asked = text_tab([shown_model(model.name, model.scorer) for model in models], examples)
            words_row(text, asked, models)
        with gr.Tab("A file"):
            file_tab({model.name: model.scorer for model in models}, folder)
    return page


def serve(page: gr.Blocks, host: str, port: int) -> None:
    """Serve a page until SIGTERM or Ctrl-C. The caller ends the process then, and with it the threads that serve."""
    # Gradio asks itself whether it answers, which no proxy can tell.
    os.environ["NO_PROXY"] = ",".join(filter(None, (os.environ.get("NO_PROXY"), host)))
    own_files = {"middleware": [Middleware(OwnFilesOnly)]}
    ended = threading.Event()
    set_handlers((signal.SIGINT, signal.SIGTERM), lambda *_: ended.set())
    launch(page, server_name=host, server_port=port, prevent_thread_lock=True, quiet=True, app_kwargs=own_files)
    print(f"http://{host}:{port} shows the page; Ctrl-C ends", flush=True)
    ended.wait()
