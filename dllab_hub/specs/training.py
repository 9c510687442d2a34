"""The wish for a distributed training: `TrainingSpec`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from ..names import NAME_PATTERN
from .code import Code
from .role import Role
from .tag import GitCommit, Tag
from .wire import Name, Value

__all__ = ("MAX_TIME_LIMIT", "STRATEGIES", "TrainingSpec")

STRATEGIES = ("single", "allreduce", "ps", "custom")
#: Seconds: 90 days.
MAX_TIME_LIMIT = 90 * 24 * 3600
_MAX_ROLES = 16
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_ENV_RESERVED = re.compile(
    r"(DLLAB_|JUPYTERHUB_|LD_|PYTHON(PATH|HOME|STARTUP)|PATH\Z|HOME\Z|CUDA_VISIBLE_DEVICES\Z"
    # Kubernetes says by it which replica a pod is, and says nothing where somebody else has.
    r"|JOB_COMPLETION_INDEX\Z"
    # With these NVIDIA's container runtime gives GPUs that nobody has counted.
    r"|NVIDIA_(VISIBLE_DEVICES|MIG_CONFIG_DEVICES|MIG_MONITOR_DEVICES|IMEX_CHANNELS)\Z"
    r"|(RANK|LOCAL_RANK|WORLD_SIZE|LOCAL_WORLD_SIZE|GROUP_RANK|MASTER_ADDR|MASTER_PORT|TF_CONFIG"
    r"|JAX_(COORDINATOR_ADDRESS|COORDINATOR_BIND_ADDRESS|LOCAL_DEVICE_IDS))\Z)"
)
_JOB_ID = Annotated[str, Field(pattern=rf"^{NAME_PATTERN}-[a-z0-9]{{7}}$", max_length=48)]
_DIGEST = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_ROLES = {
    "single": "the one role 'worker'",
    "allreduce": "the one role 'worker'",
    "ps": "the roles 'chief' (one), 'ps' and 'worker'",
}


class TrainingSpec(Value):
    """A wish for a distributed training.

    >>> spec = TrainingSpec(
    ...     name="digits", image="pytorch", code=Code(source="print('hello')"),
    ...     roles=(Role(replicas=2),),
    ... )
    >>> spec.replicas
    2

    Attributes:
        name: Name of the job; its id starts with it.
        image: Name of an image of the catalog.
        strategy: ``single``: one process. ``allreduce``: equal workers with torchrun's environment
            (and JAX's). ``ps``: a chief, parameter servers and workers with ``TF_CONFIG``; the job
            ends when the chief succeeds. ``custom``: any roles, each with the addresses of all.
        code: What every replica runs, unless its role has a command.
        roles: Who runs it.
        success_role: Under ``custom``: the job has succeeded when all replicas of this role have;
            the others are ended then. None: when all replicas have.
        max_restarts: How many times the gang is relaunched after a failure.
        checkpoint_every: Steps between two checkpoints, for code that asks.
        checkpoint_from: Id of another job of the same person: its checkpoints are where this one
            starts. They are copied.
        time_limit: Seconds that the job may run in all, pauses left out; it is asked to save then,
            and fails. None: no limit.
        priority: Among one's own waiting jobs the higher one starts first; it takes no place that
            another person's job has in the queue.
        resume_after_reboot: Whether a job that ran when the machine went down is started again.
        env: Extra environment, literal values only.
        volumes: Names of volumes of the catalog. A directory appears as ``data/<name>`` in the
            workspace; `dllab_hub.runtime.data` opens all of them.
        workspace: Id of an uploaded workspace whose files are there before the code's own.
        lab: Id of a lab of the person: what was installed in it is there too.
        target: Name of the place of the catalog where it runs; None: the usual one.
        stall_after: Seconds without a line of log, a reported step or a new event file after which
            the job counts as stalled; None: it never does.
        on_stall: ``alert``: it is only said. ``relaunch``: the gang is relaunched from its
            checkpoint, as after a failure.
        tags: What the job is found by later; they can be changed then.
        git: The commit its code was at.
    """

    name: Name
    image: Name
    strategy: Literal["single", "allreduce", "ps", "custom"] = "allreduce"
    code: Code
    roles: tuple[Role, ...] = Field(default=(Role(),), min_length=1, max_length=_MAX_ROLES)
    success_role: Name | None = None
    max_restarts: int = Field(default=3, ge=0, le=100)
    checkpoint_every: int = Field(default=100, ge=1, le=10**12)
    checkpoint_from: _JOB_ID | None = None
    time_limit: int | None = Field(default=None, ge=1, le=MAX_TIME_LIMIT)
    priority: int = Field(default=0, ge=-100, le=100)
    resume_after_reboot: bool = False
    env: dict[str, str] = Field(default_factory=dict, max_length=256)
    volumes: tuple[Name, ...] = Field(default=(), max_length=200)
    workspace: _DIGEST | None = None
    lab: str | None = Field(default=None, min_length=1, max_length=128)
    target: Name | None = None
    stall_after: int | None = Field(default=1800, ge=10, le=MAX_TIME_LIMIT)
    on_stall: Literal["alert", "relaunch"] = "alert"
    tags: tuple[Tag, ...] = Field(default=(), max_length=20)
    git: GitCommit | None = None

    @model_validator(mode="after")
    def _check(self) -> TrainingSpec:
        if len(set(self.volumes)) != len(self.volumes):
            raise InvalidRequest("a volume is named twice.", field="volumes")
        if len(set(self.tags)) != len(self.tags):
            raise InvalidRequest("a tag is there twice.", field="tags")
        if self.on_stall == "relaunch" and self.stall_after is None:
            raise InvalidRequest("without it nothing is relaunched.", field="stall_after")
        self._check_roles()
        for key, value in self.env.items():
            if not _ENV_NAME.fullmatch(key) or "\0" in value:
                raise InvalidRequest("must map variable names to text.", field="env")
            if _ENV_RESERVED.match(key):
                raise InvalidRequest("this variable is set by the lab itself.", field=f"env.{key}")
        return self

    def _check_roles(self) -> None:
        names = [role.name for role in self.roles]
        if len(set(names)) != len(names):
            raise InvalidRequest("two roles have the same name.", field="roles")
        if self.strategy == "ps":
            if set(names) != {"chief", "ps", "worker"} or len(names) != 3:
                missing = sorted({"chief", "ps", "worker"} - set(names))
                what = f"; missing: {', '.join(missing)}" if missing else ""
                raise InvalidRequest(f"ps has {_ROLES['ps']}{what}.", field="roles")
            if self.roles[names.index("chief")].replicas != 1:
                raise InvalidRequest(
                    "there is one chief.", field=f"roles.{names.index('chief')}.replicas"
                )
        elif self.strategy != "custom" and names != ["worker"]:
            raise InvalidRequest(
                f"{self.strategy} has {_ROLES[self.strategy]}.", field="roles.0.name"
            )
        if self.strategy == "single" and (self.roles[0].replicas, self.processes) != (1, 1):
            what = "replicas" if self.roles[0].replicas != 1 else "processes"
            raise InvalidRequest(
                "a single training has one process.",
                hint="Choose the strategy allreduce for several.",
                field=f"roles.0.{what}",
            )
        for n, role in enumerate(self.roles):
            if role.command and self.strategy != "custom":
                raise InvalidRequest(
                    "a role has a command of its own under the strategy custom only.",
                    field=f"roles.{n}.command",
                )
            if role.processes not in (None, 1) and self.strategy == "ps":
                raise InvalidRequest(
                    "a replica of a parameter-server training is one process.",
                    field=f"roles.{n}.processes",
                )
        if self.success_role is not None and (
            self.strategy != "custom" or self.success_role not in names
        ):
            raise InvalidRequest(
                "must be a role of a custom training.",
                hint=f"The roles are {', '.join(names)}." if self.strategy == "custom" else "",
                field="success_role",
            )

    @property
    def replicas(self) -> int:
        """Replicas over all roles."""
        return sum(role.replicas for role in self.roles)

    @property
    def gpus(self) -> int:
        """GPUs over all replicas."""
        return sum(role.replicas * role.gpus for role in self.roles)

    @property
    def processes(self) -> int:
        """Processes over all replicas."""
        return sum(role.replicas * self.processes_of(role) for role in self.roles)

    @property
    def cpus(self) -> float:
        """CPUs that the queue counts: what was asked for, else one for each process."""
        return sum(
            role.replicas * (self.processes_of(role) if role.cpus is None else role.cpus)
            for role in self.roles
        )

    def processes_of(self, role: Role) -> int:
        """Processes of each replica of a role."""
        if role.processes is not None:
            return role.processes
        return max(1, role.gpus) if self.strategy == "allreduce" else 1

    @property
    def ends_with(self) -> str | None:
        """The role whose success ends the job; None: it ends when all replicas have succeeded."""
        return "chief" if self.strategy == "ps" else self.success_role
