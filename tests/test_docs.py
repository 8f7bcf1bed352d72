"""README and documentation: commands are understood, links lead somewhere, the site builds and fits a phone."""

import functools
import html
import http.server
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sentiment_hf import __version__
from sentiment_hf.cli import choose, demo, ensemble, explain, export, push, robustness, serve, tune
from sentiment_hf.cli.audit import parse_audit
from sentiment_hf.cli.distill import parse_distill
from sentiment_hf.cli.predict import parse_predict
from sentiment_hf.cli.pretrain import parse_pretrain
from sentiment_hf.comparison.plan import flags
from sentiment_hf.settings.run_flags import parse_run

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Included into other pages, or pages of comparisons, whose links are made by the program.
PARTS = {DOCS / "parts" / "flags.md", DOCS / "parts" / "outputs.md", *DOCS.glob("*/report.md")}
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in DOCS.rglob("*.md") if path not in PARTS),
]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
OURS = ("sentiment-hf ", "python scripts/", "python benchmarks/", "accelerate launch scripts/", "make ")
NAME_ALONE = re.compile(r"sentiment-hf \w+|python scripts/\w+\.py")
# What a reader fills in, or a program of another package.
FOREIGN = ("docker", "git", "cd", "cat", "curl", "source", "trackio", "tensorboard", "hf", "sbatch")


def source(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def shell_lines(text: str) -> Iterator[str]:
    """The lines of the shell blocks of a page, and the commands of ours within its sentences."""
    for block in re.findall(r"^ *```bash\n(.*?)```", text, re.S | re.M):
        yield from (line.strip() for line in block.splitlines() if line.strip())
    for code in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)):
        if code.startswith(OURS) and "..." not in code and "--help" not in code and not NAME_ALONE.fullmatch(code):
            yield code


def commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a line, without settings of the environment."""
    for command in re.split(r" && | \| ", line):
        words = shlex.split(command, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        yield words


COMMANDS = {
    (page.relative_to(ROOT).as_posix(), shlex.join(words))
    for page in PAGES
    for line in shell_lines(source(page))
    for words in commands(line)
    if words
}
PARSERS: dict[str, Callable] = {
    "run": parse_run,
    "pretrain": parse_pretrain,
    "distill": parse_distill,
    "choose": choose.parse_choose,
    "tune": tune.parse_tune,
    "compare": flags.parse_compare,
    "audit": parse_audit,
    "ensemble": ensemble.parse_ensemble,
    "predict": parse_predict,
    "explain": explain.parse_explain,
    "robustness": robustness.parse_robustness,
    "export": export.parse_export,
    "serve": serve.parse_serve,
    "demo": demo.parse_demo,
    "push": push.parse_push,
    "list": lambda words: words == [],
}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with the recipes and the scripts, into which a command is pasted."""
    monkeypatch.chdir(tmp_path)
    for name in ("configs", "scripts", "benchmarks", "results"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def make_checkpoint(folder: Path) -> None:
    """A folder that a command names as a checkpoint, or as an adapter."""
    if folder.parts[:1] in (("out",), ("path",)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text('{"model_type": "bert"}')
        if folder.name.endswith("lora"):
            base = {"base_model_name_or_path": "bert-base-uncased"}
            (folder / "adapter_config.json").write_text(json.dumps(base))


def make_named(words: list[str]) -> None:
    """Make the folders that these words name as models."""
    for flag in {"--model", "--embed_with", "--teacher", "--tokenizer"} & set(words):
        make_checkpoint(Path(words[words.index(flag) + 1]))


def understand(name: str, words: list[str]) -> None:
    """Parse the flags of a command of ours; raises InputError for wrong ones."""
    make_named(words)
    args = PARSERS[name](words)
    if name == "compare":
        for candidate in args.models.values():
            make_named(args.words(candidate.flags))
            parse_run(args.words(candidate.flags))


@pytest.mark.parametrize(("page", "command"), sorted(COMMANDS))
def test_every_command_is_understood(page, command, place):
    first, *words = shlex.split(command)
    if first in ("accelerate", "sentiment-hf", ".venv/bin/sentiment-hf"):
        name = "run" if first == "accelerate" else words.pop(0)
        understand(name, words[words.index("scripts/run.py") + 1 :] if first == "accelerate" else words)
    elif first == "make":
        targets = re.findall(r"^([\w./-]+|\$\(VENV\)[\w./-]+):", source(ROOT / "Makefile"), re.M)
        assert words[0] in targets
    elif first in ("python", ".venv/bin/python") and words[0].endswith(".py"):
        assert (place / words[0]).is_file()
        if (name := Path(words[0]).stem) in PARSERS:
            understand(name, words[1:])
    elif first in ("python", ".venv/bin/python"):
        assert words[:2] in (["-m", "pytest"], ["-m", "pip"])
    elif first == "pip":
        for extras in re.findall(
            r"\[([\w,]+)\]", " ".join(word for word in words if "sentiment" in word or "dist/" in word)
        ):
            assert set(extras.split(",")) <= EXTRAS.keys()
    else:
        assert first in FOREIGN


def test_commands_were_found():
    assert len(COMMANDS) > 80
    assert {name for _, command in COMMANDS for name in PARSERS if command.startswith(f"sentiment-hf {name}")} == {
        *PARSERS
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_programs_in_pages_are_python(page):
    for block in re.findall(r"^( *)```python\n(.*?)```", source(page), re.S | re.M):
        compile(re.sub(rf"^{block[0]}", "", block[1], flags=re.M), str(page), "exec")


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as the site and GitHub make them."""
    text = re.sub(r"```.*?```", "", source(page), flags=re.S)
    heads = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", head.lower()).strip()) for head in heads}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_pictures_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", source(page), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        assert there.is_file(), target
        assert not anchor or anchor in anchors(there), target


def test_the_pages_made_of_the_program_are_up_to_date(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import reference_pages

    assert source(DOCS / "flags.md") == reference_pages.flags_page()
    assert source(DOCS / "outputs.md") == reference_pages.outputs_page(tmp_path / "run")


def test_messages_that_troubleshooting_explains_are_those_of_the_program():
    quoted = re.findall(r'\*\*"(.*?)"', source(DOCS / "troubleshooting.md"))
    program = "".join(source(path) for path in (ROOT / "sentiment_hf").rglob("*.py"))
    assert len(quoted) >= 2
    assert all(words in program for words in quoted)


def test_versions_and_citation_agree():
    citation = yaml.safe_load(source(ROOT / "CITATION.cff"))
    assert citation["version"] == __version__
    assert f"version = {{{__version__}}}" in source(DOCS / "cite.md")
    assert re.search(rf"^## {re.escape(__version__)}$", source(ROOT / "CHANGELOG.md"), re.M)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("FAULTS.md", "CHANGELOG.md", "mkdocs.yml"):
        shutil.copy(ROOT / name, folder)
    for name in ("docs", "sentiment_hf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [Path(sys.executable).with_name("zensical"), "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_every_page_is_in_the_navigation_and_on_the_site(site):
    def files(entries: list) -> Iterator[str]:
        for entry in entries:
            for value in entry.values():
                yield from files(value) if isinstance(value, list) else [value]

    named = list(files(yaml.safe_load(source(ROOT / "mkdocs.yml"))["nav"]))
    assert sorted(named) == sorted(path.relative_to(DOCS).as_posix() for path in PAGES if DOCS in path.parents)
    for name in named:
        text = source(site / Path(name).with_suffix(".html"))
        assert "<h1" in text
        assert "--8&lt;--" not in text
    assert source(site / "imdb" / "report.html") == source(DOCS / "imdb" / "report.html")


def test_the_site_can_be_searched_and_fetches_nothing_from_elsewhere(site):
    found = json.loads(source(site / "search.json"))
    assert "dry_run" in json.dumps(found)
    pages = list(site.glob("*.html"))
    assert len(pages) > 20
    for page in pages:
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", source(page)):
            loads = "canonical" not in tag and re.search(r"(?:src|href)=\"?(?:https?:)?//", tag)
            assert not loads, (page.name, tag)


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FRAME = """<!DOCTYPE html><body><iframe src="PAGE" width="WIDTH" height="844" style="border: 0"></iframe><script>
addEventListener("load", () => setTimeout(() => {
  const page = document.querySelector("iframe").contentDocument;
  const wide = page.documentElement.scrollWidth;
  const shown = [...page.images].every((picture) => picture.naturalWidth > 0);
  document.body.dataset.probe = JSON.stringify([wide, page.title, shown]);
}, 500));</script></body>"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, *_):
        pass


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", ["index.html", "results.html", "flags.html", "experiments.html"])
def test_in_a_browser_a_page_fits_the_window_and_logs_nothing(site, page, width, tmp_path):
    (site / "frame.html").write_text(FRAME.replace("PAGE", page).replace("WIDTH", str(width)))
    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        command += ["--enable-logging=stderr", f"--user-data-dir={tmp_path}", "--dump-dom", "--window-size=1400,900"]
        command += ["--virtual-time-budget=5000", f"http://127.0.0.1:{server.server_port}/frame.html"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        server.shutdown()
    wide, title, shown = json.loads(html.unescape(re.search(r'data-probe="([^"]*)"', done.stdout)[1]))
    assert wide <= width
    assert "sentiment_hf" in title
    assert shown
    assert "CONSOLE" not in done.stderr
