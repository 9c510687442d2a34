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
      models/<owner slug>/<model>/<version>/   model.onnx and model.json, never changed
      workspaces/<owner slug>/        files that travel with jobs: see `backends.local.workspaces`
      deployments/<owner slug>/<name>/         what serves a model: see `backends.local.serving`
      sockets/                        where replicas and balancers listen
      leases/                         one lock file per GPU
      hub/                            JupyterHub's database, secrets and logs
      records/<owner slug>/<id>.json.gz  what is known of each job that has ended
      index.sqlite  journal.jsonl     index of all jobs, and the journal it is rebuilt from

Where jobs and models run on other machines, ``jobs/``, ``tensorboard/``, ``workspaces/`` and
``models/`` lie in a directory that those see too: ``DLLAB_SHARED``.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ("StateDir",)

#: Bytes that leave room for ``/<24 characters>/<16 characters>`` below it.
_LONGEST_SOCKETS = 60


@dataclass(frozen=True)
class StateDir:
    """Paths below one root. Nothing is created by naming it.

    Attributes:
        root: Absolute path.
        envs: Environments may be shared by several roots, so they can lie elsewhere.
        elsewhere: What machines that jobs run on see of it, if it is not below the root.
    """

    root: Path
    envs: Path
    elsewhere: Path | None = None

    @classmethod
    def default(cls) -> StateDir:
        """From ``DLLAB_HOME`` and ``DLLAB_ENVS``, else below the XDG data directory."""
        data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        root = Path(os.environ.get("DLLAB_HOME") or Path(data) / "dllab-hub").absolute()
        return cls.at(root)

    @classmethod
    def at(cls, root: Path) -> StateDir:
        """The state below ``root``, but for what ``DLLAB_ENVS`` and ``DLLAB_SHARED`` name."""
        envs, shared = (os.environ.get(name) for name in ("DLLAB_ENVS", "DLLAB_SHARED"))
        return cls(
            root.absolute(),
            Path(envs).absolute() if envs else root.absolute() / "envs",
            Path(shared).absolute() if shared else None,
        )

    @property
    def shared(self) -> Path:
        """What every machine sees that jobs run on."""
        return self.elsewhere or self.root

    @property
    def homes(self) -> Path:
        """Notebooks of each account in single-user mode."""
        return self.root / "homes"

    @property
    def jobs(self) -> Path:
        """One directory per job."""
        return self.shared / "jobs"

    @property
    def labs(self) -> Path:
        """One directory per lab."""
        return self.root / "labs"

    @property
    def tensorboard(self) -> Path:
        """``<owner slug>/<job id>/`` below it hold event files."""
        return self.shared / "tensorboard"

    @property
    def records(self) -> Path:
        """``<owner slug>/<id>.json.gz`` below it are records of jobs that have ended."""
        return self.root / "records"

    @property
    def models(self) -> Path:
        """``<owner slug>/<model>/<version>/`` below it hold published models."""
        return self.shared / "models"

    @property
    def workspaces(self) -> Path:
        """``<owner slug>/`` below it holds files that travel with jobs."""
        return self.shared / "workspaces"

    @property
    def deployments(self) -> Path:
        """``<owner slug>/<name>/`` below it are deployments."""
        return self.root / "deployments"

    @property
    def sockets(self) -> Path:
        """Unix sockets: their names may have 107 bytes, so a long root has them elsewhere.

        There the directory is named for root and user, and is used only while it belongs to the
        user and nobody else can write to it.
        """
        path = self.root / "sockets"
        if len(os.fsencode(path)) <= _LONGEST_SOCKETS:
            return path
        key = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"dllab-{os.geteuid()}-{key}"

    @property
    def leases(self) -> Path:
        """Lock files of the GPUs."""
        return self.root / "leases"

    @property
    def hub(self) -> Path:
        """JupyterHub's own files."""
        return self.root / "hub"
