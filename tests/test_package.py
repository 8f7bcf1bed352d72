"""What is installed is complete: the wheel works without the checkout, and dependencies are declared and pinned."""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("sentiment_hf", "custom_models")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
OF_EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
# An extra may take another along, which is no package.
EXTRAS = [requirement for requirement in OF_EXTRAS if requirement.name != PROJECT["name"]]
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
}


def call(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, run where the checkout is not on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin folder of an environment that has the wheel and the dependencies of this one, but not its checkout."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    call(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv.parent)
    python = venv / "bin" / "python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=venv.parent)
    # Added by a .pth, a folder's own .pth files are not read: an editable install of the checkout stays out of sight.
    (site_packages,) = venv.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


def test_the_wheel_carries_code_recipes_sample_and_templates_and_nothing_else(wheel):
    names = set(ZipFile(wheel).namelist())
    code = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    sample = {str(path.relative_to(ROOT)) for path in (ROOT / "sentiment_hf" / "data" / "sample").glob("*.csv")}
    templates = {str(path.relative_to(ROOT)) for path in (ROOT / "sentiment_hf/comparison/page/templates").iterdir()}
    recipes = {str("sentiment_hf" / path.relative_to(ROOT)) for path in (ROOT / "configs").rglob("*.yaml")}
    for expected in (code, sample, templates, recipes):
        assert expected
        assert expected <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)


def test_the_installed_package_lists_trains_and_predicts_without_the_checkout(installed, tmp_path):
    where = f"from importlib.util import find_spec; print(*(find_spec(name).origin for name in {PACKAGES}), sep='\\n')"
    for origin in call(installed / "python", "-c", where, cwd=tmp_path).splitlines():
        assert Path(origin).is_relative_to(installed.parent)
    assert "custom-fc" in call(installed / "sentiment-hf", "list", cwd=tmp_path)
    flags = ["--model", "custom-fc", "--dataset", "sample", "--output_dir", "out", "--num_train_epochs", "1"]
    call(installed / "sentiment-hf", "run", *flags, cwd=tmp_path)
    assert (tmp_path / "out" / "report.json").is_file()
    assert call(installed / "sentiment-hf", "predict", "out", "A fine film.", cwd=tmp_path).strip()


def test_every_package_that_we_import_is_declared():
    declared = {canonicalize_name(requirement.name) for requirement in [*CORE, *EXTRAS]}
    imported = set()
    for path in [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    assert "torch" in imported
    third_party = imported - sys.stdlib_module_names - set(PACKAGES)
    distributions = packages_distributions()
    undeclared = {
        name for name in third_party if not {canonicalize_name(d) for d in distributions.get(name, [name])} & declared
    }
    assert not undeclared, f"imported and not in pyproject.toml: {undeclared}"


@pytest.mark.parametrize("requirement", [*CORE, *EXTRAS], ids=str)
def test_every_dependency_is_pinned_to_a_version_it_allows(requirement):
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


def test_pre_commit_checks_with_the_pinned_ruff():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    used = {line for hook in hooks for line in hook["additional_dependencies"] if line.startswith("ruff")}
    assert used == {f"ruff=={PINS['ruff']}"}


def test_make_without_a_target_names_every_target():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    assert re.findall(r"^  make ([a-z-]+)", call("make", "-C", ROOT, cwd=ROOT), re.MULTILINE) == targets


def test_set_up_with_an_old_python_says_which_it_found_and_creates_nothing(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\nif [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi\n')
    old.chmod(0o755)
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "constraints.txt").touch()
    done = subprocess.run(["make", "demo", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Python >= 3.11 is needed" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert not (tmp_path / ".venv").exists()
