"""`Kit`: what a replica gets: GPUs, threads, and whether it computes requests together."""

from __future__ import annotations

from dataclasses import dataclass

from ....specs import DeploymentSpec

__all__ = ("Kit",)


@dataclass(frozen=True)
class Kit:
    """Of one replica. A replica that was started for another kit is replaced.

    Attributes:
        gpus: How many it holds.
        cpus: Threads that compute one request; None: as the model server has it.
        batch: Most rows that are computed at a time; 0: each request by itself.
        wait: Seconds that a request waits for others at most.
    """

    gpus: int = 0
    cpus: int | None = None
    batch: int = 0
    wait: float = 0.0

    @classmethod
    def of(cls, spec: DeploymentSpec) -> Kit:
        """What was wished for."""
        batch, wait = (spec.batch.size, spec.batch.wait) if spec.batch is not None else (0, 0.0)
        return cls(spec.gpus, spec.cpus, batch, wait)

    def environment(self) -> dict[str, str]:
        """What the model server reads of it; see ``runtime.model_server``."""
        env = {"DLLAB_GPUS": str(self.gpus)} if self.gpus else {}
        if self.cpus is not None:
            env["DLLAB_CPUS"] = str(self.cpus)
        if self.batch:
            wait = f"{1000 * self.wait:.6f}"  # Never 5e-05, which is no number there.
            env |= {"DLLAB_BATCH_MAX": str(self.batch), "DLLAB_BATCH_WAIT_MS": wait}
        return env
