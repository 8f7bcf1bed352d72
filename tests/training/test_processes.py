"""What a machine may hide: processes of others."""

import psutil
import pytest

from sentiment_hf.training.processes import find_launcher


@pytest.mark.parametrize("error", [psutil.AccessDenied(1), psutil.NoSuchProcess(1), psutil.ZombieProcess(1)])
def test_a_parent_that_may_not_be_looked_at_is_no_launcher(error, monkeypatch):
    def refuse(process):
        raise error

    monkeypatch.setattr(psutil.Process, "cmdline", refuse)
    assert find_launcher() is None
