"""The options that ``%%train``, ``%rerun`` and ``dllab`` share, and how errors name them.

No option has a default here: what is not typed is None, and is what `TrainingSpec` says, or what
the job had that is run again.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from ..errors import DLLabError
from ..specs import MAX_GPUS, MAX_PROCESSES, STRATEGIES, Role
from .roles import read_role
from .words import amount, job_id, memory, seconds, valid_name, whole

__all__ = ("add_options", "add_wish_options", "as_typed", "in_words")

#: Field of the spec -> the option that sets it.
_OPTIONS = {
    "name": "--name",
    "image": "--image",
    "strategy": "--strategy",
    "success_role": "--success-role",
    "max_restarts": "--max-restarts",
    "checkpoint_every": "--checkpoint-every",
    "checkpoint_from": "--checkpoint-from",
    "time_limit": "--time-limit",
    "priority": "--priority",
    "tags": "--tag",
    "stall_after": "--stall-after",
    "on_stall": "--on-stall",
    "env": "--env",
    "volumes": "--volumes",
    "workspace": "--workspace",
    "lab": "--lab",
    "target": "--target",
    "code.args": "arguments after --",
    "code.module": "--module",
    "cpus": "--cpus",
    "memory": "--memory",
    "gpus": "--gpus",
    "replicas": "--replicas",
    "example": "--example",
}
_OF_ROLE = re.compile(r"roles(?:\.(\d+)(?:\.(\w+))?)?")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that describe a training: what runs, what travels, on what."""
    add = parser.add_argument
    add("--module", metavar="M", help="run a module, as python -m does: --module pkg.train")
    add(
        "--command",
        dest="as_command",
        action="store_true",
        help="run the words after -- as they are, the program first",
    )
    add("--shell", dest="as_shell", action="store_true", help="run the text with bash")
    add(
        "--with",
        dest="files",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="text files or patterns that travel along, besides imported modules",
    )
    add(
        "--workspace",
        nargs="?",
        const=".",
        metavar="DIR",
        help="all of a directory travels, without what .dllabignore and .gitignore name (default: "
        "this one when it has a .git or a .dllabignore)",
    )
    add(
        "--no-workspace",
        dest="workspace",
        action="store_const",
        const="",
        help="only imported modules and --with files travel",
    )
    add(
        "--check",
        action="store_true",
        help="only look for what would make it fail, importing for real; nothing is started",
    )
    add_wish_options(parser)


def add_wish_options(parser: argparse.ArgumentParser) -> None:
    """Those of them that a job can be run again with."""
    add = parser.add_argument
    add("--name", type=valid_name, metavar="N", help="name of the job; its id starts with it")
    add("--image", metavar="I", help="framework image (default: the lab's)")
    add(
        "--strategy",
        choices=STRATEGIES,
        help="single: one process. allreduce (default): equal workers with torchrun's environment. "
        "ps: a chief, parameter servers and workers with TF_CONFIG. custom: see --role",
    )
    add("--workers", type=whole(1, 1024), metavar="N", help="worker replicas (default 1)")
    add("--ps", type=whole(1, 1024), metavar="N", help="parameter servers (default 1 under ps)")
    add("--gpus", type=whole(0, MAX_GPUS), metavar="N", help="GPUs for each replica (default 0)")
    add(
        "--processes",
        type=whole(1, MAX_PROCESSES),
        metavar="N",
        help="processes of each worker (default: one for each of its GPUs, at least one)",
    )
    add("--cpus", type=amount, metavar="X", help="CPUs for each replica")
    add(
        "--memory",
        type=memory,
        metavar="4G",
        help="memory that each replica may use; one that uses more is ended",
    )
    add(
        "--role",
        dest="roles",
        type=read_role,
        action="append",
        metavar="NAME=N[,gpus=N][:COMMAND]",
        help="a role of a custom training, also with cpus=, memory= and processes=, and with a "
        "command of its own; once for each: --role learner=1,gpus=1 --role 'actor=4:python "
        "actor.py'",
    )
    add("--success-role", metavar="NAME", help="the job ends when this role has succeeded")
    add(
        "--max-restarts",
        type=whole(0, 100),
        metavar="N",
        help="how often a failed job is started again (default 3)",
    )
    add(
        "--checkpoint-every",
        type=whole(1, 10**9),
        metavar="N",
        help="steps between checkpoints of code that uses Checkpointer (default 100)",
    )
    add(
        "--checkpoint-from",
        type=job_id,
        metavar="ID",
        help="start from the checkpoints of another job",
    )
    add(
        "--time-limit",
        type=seconds,
        metavar="2h",
        help="end it after so long, pauses left out: 90m, 2h, 3d, or none (default)",
    )
    add(
        "--priority",
        type=whole(-100, 100),
        metavar="N",
        help="among your waiting jobs the higher one starts first (default 0)",
    )
    add(
        "--tag",
        dest="tags",
        action="append",
        metavar="T",
        help="a word to find it by later; once for each",
    )
    add(
        "--stall-after",
        type=seconds,
        metavar="30m",
        help="say that it stalls when nothing is heard of it for so long (default 30m), or none",
    )
    add(
        "--on-stall",
        choices=("alert", "relaunch"),
        help="alert (default): it is only said. relaunch: start it again from its last checkpoint",
    )
    add(
        "--resume-after-reboot",
        action=argparse.BooleanOptionalAction,
        help="start it again when the machine went down under it",
    )
    add("--env", nargs="+", action="extend", metavar="K=V", help="environment variables")
    add(
        "--volumes",
        nargs="*",
        metavar="V",
        help="data volumes by name (default: those of the lab); none without a name",
    )
    add(
        "--lab",
        metavar="ID",
        help="a lab whose installed packages are there too (default: this one, in its own image)",
    )
    add("--no-lab", dest="lab", action="store_const", const="", help="only what the image has")
    add("--target", type=valid_name, metavar="NAME", help="where it runs, of several places")


def as_typed(field: str, roles: Sequence[Role] = ()) -> str:
    """The option that sets a field of the wish; an empty string when there is none.

    Args:
        field: Dotted path, such as ``roles.2.replicas``.
        roles: Of the wish: the option depends on what the role is called.
    """
    if field.startswith("--"):
        return field
    if field.startswith("env."):
        return f"--env {field.removeprefix('env.')}"
    if found := _OF_ROLE.fullmatch(field):
        if found[2] is None:
            return ""
        at = int(found[1])
        name = roles[at].name if at < len(roles) else "worker"
        if name not in ("chief", "ps", "worker"):
            return "--role"
        return "--ps" if (name, found[2]) == ("ps", "replicas") else _ROLE_OPTIONS[found[2]]
    return _OPTIONS.get(field, _OPTIONS.get(re.sub(r"\.\d+$", "", field), ""))


_ROLE_OPTIONS = {
    "name": "--strategy",
    "replicas": "--workers",
    "gpus": "--gpus",
    "processes": "--processes",
    "cpus": "--cpus",
    "memory": "--memory",
    "command": "--role",
}


def in_words(error: DLLabError, roles: Sequence[Role] = ()) -> str:
    """One line for people, with the option to change in place of the field's path."""
    option = as_typed(error.field, roles)
    where = f"{option}: " if option else ""
    return " ".join(f"{where}{error.message} {error.hint}".split())
