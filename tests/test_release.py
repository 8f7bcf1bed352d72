"""What is published has one version everywhere and a section in the changelog; workflows call what exists."""

import re
from pathlib import Path

import pytest
import yaml

from sentiment_hf import __version__
from sentiment_hf.common.errors import InputError

ROOT = Path(__file__).parents[1]
CHANGELOG = "# Changelog\n\n## Unreleased\n\n## 0.2.0\n\n* New.\n\n## 0.1.0\n\nFirst.\n"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture
def check_release(monkeypatch):
    """scripts/check_release.py as a module."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import check_release

    return check_release


def test_a_version_that_the_package_does_not_have_is_refused(check_release):
    with pytest.raises(InputError, match=f"sentiment_hf/__init__.py has version {__version__} and not 9.9.9"):
        check_release.main(["9.9.9"])
    with pytest.raises(InputError, match="expected the version to publish"):
        check_release.main([])


def test_a_version_needs_a_section_and_nothing_may_be_left_unreleased(check_release):
    check_release.require_section(CHANGELOG, "0.2.0")
    with pytest.raises(InputError, match=r"has no section 0\.3\.0"):
        check_release.require_section(CHANGELOG, "0.3.0")
    with pytest.raises(InputError, match="lines under Unreleased"):
        check_release.require_section(CHANGELOG.replace("Unreleased\n", "Unreleased\n\n* A line.\n"), "0.2.0")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_targets_that_exist(path):
    jobs = yaml.safe_load(path.read_text())["jobs"]
    run = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    makefile = (ROOT / "Makefile").read_text().replace("$(VENV)", ".venv")
    for target in re.findall(r"^\s*make (\S+)", run, re.M):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.M), target


def test_the_tests_run_on_macos_and_linux():
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    assert job["runs-on"] == "${{ matrix.os }}"
    assert {*matrix["os"], *(one["os"] for one in matrix["include"])} == {"ubuntu-latest", "macos-latest"}
