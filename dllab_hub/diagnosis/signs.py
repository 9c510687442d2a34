"""What the last words of a training process mean: `Reading`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..specs import Cause

__all__ = ("Reading", "is_of_peer", "read")


@dataclass(frozen=True)
class Reading:
    """What was read.

    Attributes:
        cause: What is in the way.
        said: Goes on after ``worker-3 `` and before a full stop; ``{at}`` is where it was.
        hint: What to do about it.
    """

    cause: Cause
    said: str
    hint: str


_SMALLER = (
    "Use a smaller batch; gradient accumulation, mixed precision or activation checkpointing keep "
    "its effect. Or take a GPU with more memory."
)
_LESS = "Use a smaller batch or fewer data loader workers, load data in parts, or ask for more."
_ROOM = (
    "Delete files that are not needed, such as those of ended jobs, keep fewer checkpoints; then "
    "resume."
)
_SHM = "Set num_workers of the data loader to 0 or less than now, or have /dev/shm made larger."
_PEERS = "The logs of the other replicas say more; resume goes on from the last checkpoint."
_SHAPES = (
    "Print the shapes just before that line; often it is a flatten, an axis or a layer's size."
)


def _gpu_memory(found: re.Match[str], text: str) -> str:
    tried = re.search(r"[Tt]ried to allocate ([\d.]+ \w?i?B)", text)
    free = re.search(r"total capacity of ([\d.]+) (\w+) of which ([\d.]+ \w+) is free", text)
    said = "ran out of GPU memory{at}"
    if tried:
        said += f": it tried to allocate {tried[1]}"
        if free:
            said += f", and {free[3]} of {free[1]} {free[2]} were free"
    return said


def _memory(found: re.Match[str], text: str) -> str:
    wanted = re.search(r"allocate ([\d.]+ \w?i?B)", text)
    count = re.search(r"tried to allocate (\d+) bytes", text)
    said = "did not get the memory it asked for{at}"
    if count:
        return f"{said}: {int(count[1]) / 2**30:.1f} GiB"
    return f"{said}: {wanted[1]}" if wanted else said


def _disk(found: re.Match[str], text: str) -> str:
    path = re.search(
        r"(?:No space left on device|Disk quota exceeded)[^'\n]{0,20}'([^'\n]+)'", text
    )
    what = f" of {path[1]}" if path else ""
    return f"could not write{{at}}: the disk{what} is full"


def _product(found: re.Match[str], text: str) -> str:
    sizes = f"the input has {found[2]} features, and the layer takes {found[3]}"
    return f"failed{{at}}: {found[0]}: {sizes}"


def _line(found: re.Match[str], text: str) -> str:
    """The whole line in which it was found."""
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.start())
    line = text[start : end if end >= 0 else None].strip()
    return (
        f"failed{{at}}: {re.sub(r'^[A-Za-z_][A-Za-z_0-9.]*(?:Error|Exception): ', '', line)[:300]}"
    )


def _module(found: re.Match[str], text: str) -> str:
    return f"failed{{at}}: there is no module {found[1]} in its environment"


def _peer(found: re.Match[str], text: str) -> str:
    other = re.search(r"(?:from|peer|remote|to) rank[ :=]*(\d+)", text, re.I)
    whom = f"rank {other[1]}" if other else "another replica"
    if re.search(r"[Tt]imed? ?out", text):
        return f"waited in vain for {whom}{{at}}"
    return f"lost its connection to {whom}{{at}}"


def _always(said: str) -> Callable[[re.Match[str], str], str]:
    return lambda found, text: said


_Said = Callable[[re.Match[str], str], str]
#: The most telling first.
_SIGNS: tuple[tuple[Cause, str, _Said, str], ...] = (
    (
        Cause.GPU_OUT_OF_MEMORY,
        r"CUDA out of memory|OutOfMemoryError|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
        r"|CUDNN_STATUS_ALLOC_FAILED|ResourceExhaustedError[\s\S]*OOM"
        r"|RESOURCE_EXHAUSTED: Out of mem",
        _gpu_memory,
        _SMALLER,
    ),
    (
        Cause.OUT_OF_MEMORY,
        r"[Bb]us error[\s\S]*shared memory|insufficient shared memory|/dev/shm[\s\S]{0,80}No space"
        r"|unable to (?:open|write|mmap)[\s\S]{0,40}shared memory",
        _always("had no shared memory left{at}"),
        _SHM,
    ),
    (
        Cause.DISK_FULL,
        r"No space left on device|Disk quota exceeded|ENOSPC|PytorchStreamWriter failed writing",
        _disk,
        _ROOM,
    ),
    (
        Cause.DISK_FULL,
        r"basic_ios::clear: iostream error|unexpected pos \d+ vs \d+",  # Of torch.save.
        _always("could not write{at}, likely because the disk is full"),
        _ROOM,
    ),
    (
        Cause.OUT_OF_MEMORY,
        r"DataLoader worker \(pid[^)]*\) is killed by signal: Killed",
        _always("lost a data loader worker{at}: it was killed, likely out of memory"),
        _LESS,
    ),
    (
        Cause.OUT_OF_MEMORY,
        r"MemoryError\b|Unable to allocate \d|Cannot allocate memory|not enough memory"
        r"|std::bad_alloc",
        _memory,
        _LESS,
    ),
    (
        Cause.PEER,
        r"[Cc]onnection closed by peer|[Cc]onnection reset by peer|ncclRemoteError|Broken pipe"
        r"|NCCL communicator was aborted|collective operation timeout|DistNetworkError"
        r"|Timed out waiting \d+ms for (?:recv|send) operation|remote process exit"
        r"|Collective ops is aborted|gloo.*(?:[Tt]imeout|[Tt]imed out)|wait timeout after \d+ms",
        _peer,
        _PEERS,
    ),
    (
        Cause.SHAPE,
        r"mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)",
        _product,
        "Set the layer's number of inputs to what comes, or flatten the input otherwise.",
    ),
    (
        Cause.SHAPE,
        r"size mismatch for [\w.]+: copying a param",
        _line,
        "The checkpoint is of a model with other sizes: build the same model, or start without it.",
    ),
    (
        Cause.SHAPE,
        r"expected input\[[^]]*\] to have \d+ channels, but got \d+ channels",
        _line,
        "Set in_channels of the layer to what comes, or convert the images.",
    ),
    (
        Cause.SHAPE,
        r"size of tensor a \(\d+\) must match|shape '\[[^]]*\]' is invalid for input of size \d+"
        r"|Expected input batch_size \(\d+\) to match|could not be broadcast together with shapes"
        r"|shapes \([^)]*\) and \([^)]*\) not aligned|Incompatible shapes:|size-incompatible"
        r"|mismatch in its core dimension|is incompatible with the layer|stack expects each tensor"
        r"|Sizes of tensors must match|size mismatch|contracting dimensions to have the same shape"
        r"|Shapes? must (?:match|be)|Dimensions must be equal|incompatible shapes"
        r"|inhomogeneous shape|cannot reshape (?:array|tensor)|Target size \(",
        _line,
        _SHAPES,
    ),
    (
        Cause.MISSING_MODULE,
        r"No module named '?([\w.]+)'?",
        _module,
        "Install it in the lab with %pip install, or choose an image that has it; then run again.",
    ),
    (
        Cause.MISSING_MODULE,
        r"ImportError: (?:cannot import name '?(\w+)|lib[\w.]+: cannot open shared object)",
        _line,
        "A package or library of another version is there than the code needs.",
    ),
    (
        Cause.PORT_TAKEN,
        r"Address already in use|EADDRINUSE",
        _always("found its port taken by another program{at}"),
        "Run it again: another port is chosen.",
    ),
    (
        Cause.EXCEPTION,
        r"device-side assert triggered",
        _line,
        "Often a label or an index is out of range. With CUDA_LAUNCH_BLOCKING=1, or on a CPU, the "
        "traceback names the line.",
    ),
    (
        Cause.EXCEPTION,
        r"FileNotFoundError",
        _line,
        "A job runs in a directory of its own: files come with the workspace, data with a volume.",
    ),
)
_COMPILED = tuple((cause, re.compile(sign), said, hint) for cause, sign, said, hint in _SIGNS)


def read(text: str) -> Reading | None:
    """What it means; None when it is nothing that is known here.

    Args:
        text: The message of an exception, or the end of a log.
    """
    for cause, sign, said, hint in _COMPILED:
        if found := sign.search(text):
            return Reading(cause, said(found, text), hint)
    return None


def is_of_peer(text: str) -> bool:
    """Whether it only says that another process has gone or did not come."""
    reading = read(text)
    return reading is not None and reading.cause is Cause.PEER
