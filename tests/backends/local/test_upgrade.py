"""Jobs that run while the lab is upgraded: their supervisor is of the release before."""

from __future__ import annotations

import sys
from pathlib import Path

from dllab_hub.specs import JobState

#: A supervisor that has not heard of pauses: SIGUSR1 would kill it, and the job with it.
OLD_SHIM = f"""#!{sys.executable}
import sys
from dllab_hub.shim import signals
from dllab_hub.shim.supervisor import main

caught = signals.Signals._CAUGHT
signals.Signals._CAUGHT = tuple(n for n in caught if n != signals.signal.SIGUSR1)
sys.exit(main(sys.argv[4:]))
"""
#: Saves when it is told to end.
SAVES = """
import signal, sys, time
def save(*args):
    open("saved", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
open("up", "w").close()
while True:
    time.sleep(0.02)
"""


async def test_a_pause_of_before(local, make_spec, until, tmp_path):
    """A job whose supervisor knows no pauses may save all the same, and is paused then."""
    shim = tmp_path / "old-python"
    shim.write_text(OLD_SHIM)
    shim.chmod(0o700)
    local.backend.machine.launcher._python = str(shim)
    job = await local.backend.submit("ada", make_spec(source=SAVES))
    workspace = Path(job.workspace)

    async def is_up():
        return (workspace / "up").exists()

    await until(is_up)
    await local.backend.pause("ada", job.id)
    paused = await local.state(job, JobState.PAUSED)

    assert (workspace / "saved").exists()
    assert "killed" not in paused.reason
