"""Where dllab-hub keeps things on one machine: `StateDir`. Standard library only.

::

    <root>/
      envs/<image>-<digest>/          image environments, read-only once built
      homes/<person>/                 notebooks of each account in single-user mode
      jobs/<id>/                      owned by the service, 0711
        job.json                      owner, spec, account: written once, 0600
        run/                          owned by the person, 0700: what the shim and replicas write
      labs/<id>/run/                  the same for a lab
      tensorboard/<owner slug>/<id>/  event files of each job
      leases/                         one lock file per GPU
      hub/                            JupyterHub's database, secrets and logs
      index.sqlite  journal.jsonl     index of all jobs, and the journal it is rebuilt from
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ("StateDir",)


@dataclass(frozen=True)
class StateDir:
    """Paths below one root. Nothing is created by naming it.

    Attributes:
        root: Absolute path.
        envs: Environments may be shared by several roots, so they can lie elsewhere.
    """

    root: Path
    envs: Path

    @classmethod
    def default(cls) -> StateDir:
        """From ``DLLAB_HOME`` and ``DLLAB_ENVS``, else below the XDG data directory."""
        data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        root = Path(os.environ.get("DLLAB_HOME") or Path(data) / "dllab-hub").absolute()
        return cls.at(root)

    @classmethod
    def at(cls, root: Path) -> StateDir:
        """The state below ``root``; environments where ``DLLAB_ENVS`` says, else below it too."""
        envs = os.environ.get("DLLAB_ENVS")
        return cls(root.absolute(), Path(envs).absolute() if envs else root.absolute() / "envs")

    @property
    def homes(self) -> Path:
        """Notebooks of each account in single-user mode."""
        return self.root / "homes"

    @property
    def jobs(self) -> Path:
        """One directory per job."""
        return self.root / "jobs"

    @property
    def labs(self) -> Path:
        """One directory per lab."""
        return self.root / "labs"

    @property
    def tensorboard(self) -> Path:
        """``<owner slug>/<job id>/`` below it hold event files."""
        return self.root / "tensorboard"

    @property
    def leases(self) -> Path:
        """Lock files of the GPUs."""
        return self.root / "leases"

    @property
    def hub(self) -> Path:
        """JupyterHub's own files."""
        return self.root / "hub"
