"""``dllab alerts give-back``, on the machine itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from dllab_hub.cli import main
from dllab_hub.leases import LeaseDir


@pytest.mark.parametrize("told", [True, False])
def test_a_gpu_is_lent_again(told, tmp_path: Path, monkeypatch, capsys) -> None:
    """The one that is named, in the lab that --home or the environment says."""
    leases = LeaseDir(tmp_path / "leases")
    for uuid in ("GPU-0", "GPU-1"):
        leases.withdraw(uuid, "GPULost: x")
    monkeypatch.setenv("DLLAB_HOME", str(tmp_path / "none" if told else tmp_path))

    code = main(["alerts", "give-back", "GPU-0", *(["--home", str(tmp_path)] if told else [])])

    assert (0, "GPU-0 is lent again.\n") == (code, capsys.readouterr().out)
    assert {"GPU-1"} == set(leases.withdrawn())


@pytest.mark.parametrize("uuid", ["GPU-0", "../GPU-0", ""])
def test_one_that_is_not_out_of_use(uuid, tmp_path: Path, monkeypatch, capsys) -> None:
    """It is said, and nothing is made where no lab is."""
    monkeypatch.setenv("DLLAB_HOME", str(tmp_path / "lab"))

    assert 1 == main(["alerts", "give-back", uuid])

    assert "is not out of use here" in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())
