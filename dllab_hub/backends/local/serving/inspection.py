"""`inspect`: what a model takes and gives, asked of the runtime that would serve it.

The file is a stranger's: it is opened in a process of its own, as its owner's account, with little
memory and time.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ....errors import InvalidRequest, Unavailable
from ....shim import MARKER
from ....shim.process import sweep
from ....specs import Tensor
from ..account import Account
from ..shims import environment

__all__ = ("inspect", "understood")

#: Seconds.
_PATIENCE = 60.0
#: Bytes of what it says of a model.
_LONGEST = 1024 * 1024
#: Bytes of address space beside four times the model's size: the runtime's libraries and threads.
_SPACE = 4 * 1024**3
#: Each thread of these libraries would take of the space, and there may be many processors.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
#: Limits itself before it looks at the file: space in bytes, processor time in seconds.
_WITHIN_LIMITS = """
import resource, runpy, sys
seconds, space = int(sys.argv.pop()), int(sys.argv.pop())
resource.setrlimit(resource.RLIMIT_AS, (space, space))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
runpy.run_module("dllab_hub.runtime.inspect_model", run_name="__main__", alter_sys=True)
"""


async def inspect(python: Path, file: Path, account: Account, example: str = "") -> dict[str, Any]:
    """What the model is: ``inputs`` and ``outputs`` as JSON of `Tensor`, and ``example``.

    Args:
        python: Of an image that serves its format.
        file: Readable by the account; may be a directory.
        account: Whom the process runs as.
        example: JSON text of a request that came beside it, or empty.

    Raises:
        InvalidRequest: it is no model that can be served; the message says why.
        Unavailable: the image does not work.
    """
    space = _SPACE + 4 * await asyncio.to_thread(_size, file)
    mark = f"inspect-{secrets.token_hex(8)}"
    process = await asyncio.create_subprocess_exec(
        *(str(python), "-P", "-c", _WITHIN_LIMITS, str(file), *(("-",) if example else ())),
        *(str(space), f"{_PATIENCE:.0f}"),
        cwd="/",
        env={**environment(account, os.environ), **_ONE_THREAD, MARKER: mark},
        stdin=asyncio.subprocess.PIPE if example else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        umask=0o077,
        user=account.uid if account.name else None,
        group=account.gid if account.name else None,
        extra_groups=os.getgrouplist(account.name, account.gid) if account.name else None,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            assert process.stdout is not None
            assert process.stderr is not None
            _, said, errors = await asyncio.gather(
                _tell(process.stdin, example), _read(process.stdout), _read(process.stderr)
            )
            code = await process.wait()
    except TimeoutError:
        raise InvalidRequest(
            f"the model could not be loaded within {_PATIENCE:.0f} seconds.", field="model"
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        # A pickle may have started others, which are not to outlive it.
        await asyncio.to_thread(partial(sweep, mark, uid=account.uid))
    last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2][:500]
    image = python.parents[1].name.rpartition("-")[0]  # <image>-<digest>/bin/python
    return understood(code, said, last, f"Run: dllab env build {image or 'serving'}")


def _size(file: Path) -> int:
    """Bytes of a file, or of all files in a directory."""
    if not file.is_dir():
        return file.stat().st_size
    return sum(each.lstat().st_size for each in file.rglob("*"))


async def _tell(stream: asyncio.StreamWriter | None, example: str) -> None:
    if stream is not None:
        with suppress(ConnectionError):  # It has ended already, and says why.
            stream.write(example.encode())
            await stream.drain()
        stream.close()


async def _read(stream: asyncio.StreamReader) -> bytes:
    """All of it, as far as it is not too long; the rest is thrown away."""
    kept = b""
    while piece := await stream.read(65536):
        kept += piece[: _LONGEST - len(kept)]
    return kept


def understood(code: int, said: bytes, last: str, hint: str) -> dict[str, Any]:
    """What the program has said of a model.

    Args:
        code: That it has ended with; negative: a signal.
        said: Its answer.
        last: The last line of what else it has written.
        hint: What to do about an image that does not work.

    Raises:
        InvalidRequest, Unavailable: as of `inspect`.
    """
    try:
        about = json.loads(said)
        if "error" in about:
            raise InvalidRequest(str(about["error"])[:2000], field="model")
        found = {
            key: [Tensor.from_wire(one).to_wire() for one in about[key]]
            for key in ("inputs", "outputs")
        }
        return {**found, "example": str(about.get("example", ""))}
    except InvalidRequest:
        raise
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    if code < 0:
        raise InvalidRequest(
            f"loading the model ended its process with signal {-code}.",
            hint="It may need more memory than a model of its size should, or be damaged.",
            field="model",
        )
    if not last:  # An image that does not work says why.
        raise InvalidRequest(
            f"loading the model ended its process with code {code}.", field="model"
        )
    raise Unavailable(f"the image that serves it does not work: {last}.", hint=hint)
