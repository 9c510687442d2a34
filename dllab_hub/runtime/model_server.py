"""One replica: a KServe model server for one model, ``python -m ...runtime.model_server``.

Configured by the environment:

- ``DLLAB_MODEL_NAME``: part of its paths, ``v1/models/<name>:predict``, ``v2/models/<name>/infer``
- ``DLLAB_MODEL_FILE``: an ``.onnx``, ``.pt2``, ``.pt``, ``.pkl`` or ``.pth`` file, or the directory
  of a SavedModel
- ``DLLAB_MODEL_VERSION``: the ``x-model-version`` of answers
- ``DLLAB_SOCKET``: unix socket it listens on, and nothing else
- ``DLLAB_LISTEN``: in a pod, in place of a socket: TCP port, of all addresses unless one stands
  before it, such as ``127.0.0.1:8080``
- ``DLLAB_MAX_BODY``: most bytes of a request, 8 MiB by default
- ``DLLAB_CPUS``: how many it has, such as ``2`` or ``0.5``; so many threads compute one request,
  one by default
- ``DLLAB_BATCH_MAX``: most rows of requests that are computed together; 0, the default: each alone
- ``DLLAB_BATCH_WAIT_MS``: milliseconds that a request waits for others, 2 by default
- ``DLLAB_GPUS``: how many it sees; 0, the default: it computes on the CPU, else on the first of
  them, or it ends and says why it cannot

It is ready when ``v2/models/<name>/ready`` answers 200. SIGTERM ends it within ten seconds, after
the requests that are under way. Needs an image that serves the
model's format; importing this module does not.
"""

from __future__ import annotations

import logging
import logging.config
import os
import re
import socket
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .batching import Batcher, can_batch
from .front import Front
from .loading import load
from .model import Model, Unservable
from .question import Question
from .running import Runner

__all__ = ("Settings", "main")

_log = logging.getLogger("dllab")
#: Seconds for requests that are under way when the end is asked for, and for all the rest of it.
_GRACE, _REST = 7, 2.0
#: Seconds of one computation. The balancer has told whoever asked before; one that never comes to
#: an end would keep all others waiting for good, so the process ends and another takes its place.
_LONGEST = 65.0
_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        # Not a line per request, nor the steps of every start.
        **{
            name: {"handlers": ["stderr"], "level": "WARNING", "propagate": False}
            for name in ("kserve", "kserve.trace", "uvicorn")
        },
        "uvicorn.access": {"level": "WARNING"},
        "dllab": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}


@dataclass(frozen=True)
class Settings:
    """What the environment says; see the module."""

    name: str
    file: Path
    version: str
    socket: Path | None
    max_body: int
    listen: tuple[str | None, int] | None = None
    threads: int = 1
    batch_max: int = 0
    batch_wait: float = 0.002
    gpus: int = 0

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Raises `ValueError` that names the variable."""
        names = ("DLLAB_MODEL_NAME", "DLLAB_MODEL_FILE", "DLLAB_MODEL_VERSION")
        listen = _listening(environ.get("DLLAB_LISTEN", ""))
        for name in names if listen else (*names, "DLLAB_SOCKET"):
            if not environ.get(name):
                raise ValueError(f"{name} is not set.")
        model, file, version = (environ[name] for name in names)
        return cls(
            model,
            Path(file),
            version,
            None if listen else Path(environ["DLLAB_SOCKET"]),
            listen=listen,
            max_body=int(_number(environ, "DLLAB_MAX_BODY", 8 * 1024 * 1024, least=1)),
            # Half a CPU is one thread; the system shares what there is.
            threads=max(1, int(_number(environ, "DLLAB_CPUS", 1))),
            batch_max=int(_number(environ, "DLLAB_BATCH_MAX", 0)),
            batch_wait=_number(environ, "DLLAB_BATCH_WAIT_MS", 2) / 1000,
            gpus=int(_number(environ, "DLLAB_GPUS", 0)),
        )


def _listening(text: str) -> tuple[str | None, int] | None:
    """Address, None for all of them, and port; None where nothing is said."""
    if not text:
        return None
    found = re.fullmatch(r"(?:([0-9A-Fa-f.:]+):)?([0-9]{1,5})", text, re.ASCII)
    if found is None or not 0 < int(found[2]) < 65536:
        raise ValueError("DLLAB_LISTEN must be a port from 1 to 65535, or ADDRESS:PORT.")
    return found[1], int(found[2])


def _number(environ: Mapping[str, str], name: str, default: float, least: float = 0) -> float:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,6})?", text, re.ASCII) or float(text) < least:
        raise ValueError(f"{name} must be a number from {least:g} up.")
    return float(text)


def main() -> int:
    """Serve until SIGTERM; the exit code."""
    logging.config.dictConfig(_LOGGING)
    try:
        settings = Settings.read(os.environ)
        os.environ["OMP_NUM_THREADS"] = str(settings.threads)  # Before a framework is loaded.
        model = load(settings.file, settings.threads, gpus=settings.gpus)
    except (ValueError, Unservable) as exc:
        _log.error("the model cannot be served: %s", exc)
        return 1
    if settings.socket is None:
        _serve(settings, model, None)
        return 0
    listener = _listen(settings.socket)
    try:
        _serve(settings, model, listener)
    finally:
        settings.socket.unlink(missing_ok=True)
    return 0


def _serve(settings: Settings, model: Model, listener: socket.socket | None) -> None:
    import kserve

    # KServe's affair, and one for each start.
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")

    class Replica(kserve.ModelServer):  # type: ignore[misc, unused-ignore]
        """KServe's server, where we say and behind `Front`."""

        async def _serve(self) -> None:
            # KServe itself knows no address but 0.0.0.0; uvicorn looks here first.
            config = self._rest_server.config
            if listener is not None:
                config.fd = listener.fileno()
            elif settings.listen is not None:
                config.host, config.port = settings.listen
            # KServe's own names an extension that `Front` keeps closed.
            about = {**self.dataplane.metadata(), "extensions": ["binary_tensor_data"]}
            self.dataplane.metadata = lambda: about
            self._rest_server.config.app = Front(
                kserve.model_server.app,
                name=settings.name,
                version=settings.version,
                model=model,
                ask=self._ask,
                max_body=settings.max_body,
            )
            await super()._serve()

        async def _ask(self, question: Question) -> Any:
            found, _ = await self.dataplane.infer(settings.name, question, headers={})
            return found

        def stop(self, sig: int) -> None:
            """Is called when the last request is answered, or the time for them is over."""
            end = threading.Timer(_REST, os._exit, (0,))  # A computation may go on and on.
            end.daemon = True
            end.start()
            super().stop(sig)

    server = Replica(
        workers=1,
        enable_grpc=False,
        enable_latency_logging=False,
        grace_period=_GRACE,
    )
    _log.info(
        "%s, version %s: %s -> %s",
        settings.name,
        settings.version,
        ", ".join(map(str, model.inputs)),
        ", ".join(map(str, model.outputs)),
    )
    server.start([_kserve_model(settings, model)])


def _kserve_model(settings: Settings, model: Model) -> Any:
    """The model as KServe's class wants it."""
    import kserve

    class Served(kserve.Model):  # type: ignore[misc, unused-ignore]
        """Asks the `Runner`, with others together where that is wished."""

        def __init__(self) -> None:
            super().__init__(settings.name)
            runner = Runner(model.run)
            runner.watch(_LONGEST, _give_up)
            self._ask: Callable[[Question], Awaitable[Any]] = runner.compute
            if settings.batch_max > 1 and can_batch(model):
                most, wait = settings.batch_max, settings.batch_wait
                self._ask = Batcher(runner.compute, most=most, wait=wait).ask
            self.ready = True

        async def predict(
            self, payload: Question, headers: Any = None, response_headers: Any = None
        ) -> Any:
            return await self._ask(payload)

        def get_input_types(self) -> list[dict[str, Any]]:
            return [_metadata(tensor.to_wire()) for tensor in model.inputs]

        def get_output_types(self) -> list[dict[str, Any]]:
            return [_metadata(tensor.to_wire()) for tensor in model.outputs]

    return Served()


def _give_up() -> None:
    """End at once: the computation that hangs would keep an orderly end waiting too."""
    _log.error("a computation took longer than %.0f seconds: this replica ends.", _LONGEST)
    os._exit(1)


def _metadata(tensor: dict[str, Any]) -> dict[str, Any]:
    """As the V2 protocol has it: -1 where any size fits."""
    return {**tensor, "shape": [-1 if axis is None else axis for axis in tensor["shape"]]}


def _listen(path: Path) -> socket.socket:
    """A socket that only this account reaches; one that a killed replica left is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    return listener


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # Before NumPy is loaded.
    sys.exit(main())
