"""`to_cell`: a notebook cell that makes the wish of a job again. Pure: from a `TrainingSpec`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from .specs import Role, TrainingSpec

__all__ = ("to_cell",)

_USUAL = {name: field.default for name, field in TrainingSpec.model_fields.items()}
#: What the launcher of several cells is called, and a line of it that names one of them.
_LAUNCHER, _PART = "-with-shared.py", re.compile(r"^    '([^'\n]+)',$", re.MULTILINE)


def to_cell(spec: TrainingSpec) -> str:
    """A ``%%train`` cell with the code and the options of a wish; ``%train`` for what has no text.

    Marked cells that ran before it are put before it. What the line cannot say is named in a
    comment. The packages of the lab, and the files beside the code, are those of the notebook in
    which the cell is run.

    >>> from dllab_hub.specs import Code
    >>> code = Code(source="print('hello')", args=("--lr", "0.1"))
    >>> print(to_cell(TrainingSpec(name="digits", image="pytorch", code=code)))
    %%train --name digits --image pytorch -- --lr 0.1
    print('hello')
    """
    code = spec.code
    parts = _parts(spec)
    lost = [*_uneven(spec), *_lost(spec, parts)]
    words = ["--name", spec.name, "--image", spec.image]
    words += {"shell": ["--shell"], "command": ["--command"]}.get(code.kind, [])
    words += ["--module", code.module] if code.module else []
    for option in (*_roles(spec), *_others(spec)):
        words += option
    words += ["--", *code.args] if code.args else []
    has_text = code.kind in ("script", "shell")
    line = " ".join(["%%train" if has_text else "%train", *map(_word, words)])
    notes = [f"# Not said here: {'; '.join(lost)}."] if lost else []
    if not has_text:
        return "\n".join([*notes, line])
    source = "\n\n".join(spec.code.files[part].rstrip("\n") for part in parts) or code.source
    return "\n".join([line, *notes, source.removesuffix("\n")])


def _roles(spec: TrainingSpec) -> Iterator[list[str]]:
    if spec.strategy == "custom":
        yield from (["--role", _role(role)] for role in spec.roles)
        yield from _said("--success-role", spec.success_role, None)
        return
    roles = {role.name: role for role in spec.roles}
    worker = roles["worker"]
    yield from _said("--strategy", spec.strategy, _USUAL["strategy"])
    yield from _said("--workers", worker.replicas, 1)
    if "ps" in roles:
        yield from _said("--ps", roles["ps"].replicas, 1)
    yield from _said("--gpus", worker.gpus, 0)
    yield from _said("--processes", worker.processes, None)
    yield from _said("--cpus", worker.cpus, None)
    yield from _said("--memory", worker.memory, None)


def _uneven(spec: TrainingSpec) -> Iterator[str]:
    """One option is for all roles alike, but that a parameter server has no GPU."""
    if spec.strategy != "ps":
        return
    worker = next(role for role in spec.roles if role.name == "worker")
    for role in spec.roles:
        usual = 0 if role.name == "ps" else worker.gpus
        if (role.gpus, role.cpus, role.memory) != (usual, worker.cpus, worker.memory):
            yield f"what a {role.name} gets, which is not what a worker gets"


def _role(role: Role) -> str:
    parts = [f"{role.name}={role.replicas}"]
    parts += [f"gpus={role.gpus}"] if role.gpus else []
    for name in ("processes", "cpus", "memory"):
        if (value := getattr(role, name)) is not None:
            parts.append(f"{name}={value}")
    return ",".join(parts) + (f":{shlex.join(role.command)}" if role.command else "")


def _others(spec: TrainingSpec) -> Iterator[list[str]]:
    numbers = ("max_restarts", "checkpoint_every", "checkpoint_from", "priority")
    for name in (*numbers, "on_stall", "target"):
        yield from _said(f"--{name.replace('_', '-')}", getattr(spec, name), _USUAL[name])
    for name in ("time_limit", "stall_after"):
        seconds = getattr(spec, name)
        said = "none" if seconds is None else f"{seconds}s"
        yield from _said(f"--{name.replace('_', '-')}", said, _usual_time(name))
    if spec.resume_after_reboot:
        yield ["--resume-after-reboot"]
    yield from (["--tag", tag] for tag in spec.tags)
    if spec.volumes:
        yield ["--volumes", *spec.volumes]
    if spec.env:
        yield ["--env", *(f"{key}={value}" for key, value in spec.env.items())]


def _usual_time(name: str) -> str:
    return "none" if _USUAL[name] is None else f"{_USUAL[name]}s"


def _said(option: str, value: object, usual: object) -> Iterator[list[str]]:
    if value != usual:
        yield [option, str(value)]


def _parts(spec: TrainingSpec) -> list[str]:
    """Names of the cells that ran as one program, in their order; none where one did alone."""
    if not spec.code.filename.endswith(_LAUNCHER):
        return []
    return [name for name in _PART.findall(spec.code.source) if name in spec.code.files]


def _lost(spec: TrainingSpec, parts: list[str]) -> Iterator[str]:
    names = sorted(set(spec.code.files) - set(parts))
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        yield f"the files that went along, {', '.join(names[:5])}{more}"
    if spec.workspace:
        yield "the directory that went along"
    texts = [*spec.code.args, *spec.env.values(), *(w for r in spec.roles for w in r.command)]
    if any(_broken(text) for text in texts):
        yield "line breaks in words, which are spaces here"


def _broken(text: str) -> bool:
    return len(text.splitlines()) > 1 or text.endswith(("\n", "\r"))


def _word(word: str) -> str:
    """One word of the line. The notebook puts in variables before the words are taken apart:
    ``{{`` is a brace to it, and a dollar sign that ends its quotes nothing at all.
    """
    quoted = shlex.quote(" ".join(word.splitlines()) if _broken(word) else word)
    return quoted.replace("{", "{{").replace("}", "}}").replace("$", "$''")
