"""The magics in a real IPython shell, against a real server."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from notebooks import Notebook
from served import Host, lab_host
from traitlets.config import Config


@pytest.fixture
def lab() -> Iterator[Host]:
    """A lab without processes."""
    with lab_host() as host:
        yield host


@pytest.fixture
def a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A shell in an empty directory, without a lab around it."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    monkeypatch.chdir(tmp_path)
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    shell.colors = "nocolor"
    shell.run_line_magic("load_ext", "dllab_hub")
    yield Notebook(shell)
    shell.run_line_magic("unload_ext", "dllab_hub")
    assert not {"jobs", "deploy"} & set(shell.magics_manager.magics["line"])
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()


@pytest.fixture
def notebook(a_notebook: Notebook, lab: Host, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A shell whose environment is that of a kernel in a lab."""
    monkeypatch.setenv("DLLAB_API_URL", lab.url)
    monkeypatch.setenv("DLLAB_API_TOKEN", lab.token)
    return a_notebook


@pytest.fixture
def outside(a_notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A shell whose lab does not answer: a request would fail at once, and differently."""
    monkeypatch.setenv("DLLAB_API_URL", "http://127.0.0.1:9/dllab/api/")
    monkeypatch.setenv("DLLAB_API_TOKEN", "none")
    monkeypatch.setenv("DLLAB_IMAGE", "here")
    return a_notebook
