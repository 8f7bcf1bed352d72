"""In a notebook a run shows its table, a comparison its page, and an error its line."""

import sys
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[1]
RUN = "sentiment_hf.run(model='custom-fc', dataset='sample', max_steps=2, output_dir='run')"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """A function: cell -> (what it shows, by type; the text of its streams and errors). The kernel is its own."""
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(cwd=str(tmp_path_factory.mktemp("notebook")))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)

    def cell(code: str) -> tuple[dict[str, str], str]:
        shown, said = {}, []

        def keep(message):
            content = message["content"]
            shown.update(content["data"] if message["msg_type"] == "execute_result" else {})
            said.append(content.get("text") or f"{content.get('ename', '')}: {content.get('evalue', '')}")

        client.execute_interactive(code, output_hook=keep, timeout=240)
        return shown, "".join(said)

    cell(f"import sys; sys.path.insert(0, {str(ROOT)!r}); import sentiment_hf")
    yield cell
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_run_shows_its_table(notebook):
    shown, said = notebook(RUN)
    assert "<pre>model        custom-fc" in shown["text/html"]
    assert "Warning" not in said


def test_a_comparison_shows_its_page(notebook):
    shown, _ = notebook(f"{RUN}; sentiment_hf.compare('run', output_dir='page')")
    assert shown["text/html"].startswith("<iframe srcdoc=")
    assert "accuracy" in shown["text/html"]


def test_an_error_says_its_line(notebook):
    _, said = notebook("sentiment_hf.run(model='custom-fc', dataset='sample', learning_rate=-1)")
    assert "InputError: --learning_rate -1.0 is out of range" in said
