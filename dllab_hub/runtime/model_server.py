"""One replica: a KServe model server for one ONNX model, ``python -m ...runtime.model_server``.

Configured by the environment:

- ``DLLAB_MODEL_NAME``: part of its paths, ``v1/models/<name>:predict``, ``v2/models/<name>/infer``
- ``DLLAB_MODEL_FILE``: the ``.onnx`` file
- ``DLLAB_MODEL_VERSION``: the ``x-model-version`` of answers
- ``DLLAB_SOCKET``: unix socket it listens on, and nothing else
- ``DLLAB_MAX_BODY``: most bytes of a request, 8 MiB by default

It is ready when ``v2/models/<name>/ready`` answers 200. SIGTERM ends it within ten seconds, after
the requests that are under way. Needs the serving image; importing this module does not.
"""

from __future__ import annotations

import asyncio
import logging
import logging.config
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .front import Front
from .onnx_model import OnnxModel, Unservable
from .protocols import Question

__all__ = ("Settings", "main")

_log = logging.getLogger("dllab")
#: Seconds for requests that are under way when the end is asked for, and for all the rest of it.
_GRACE, _REST = 7, 2.0
#: A thread costs about 0.1 ms; what is shorter than this and small is computed where it stands.
_SHORT, _SMALL = 0.002, 65536
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
    socket: Path
    max_body: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Raises `ValueError` that names the variable."""
        names = ("DLLAB_MODEL_NAME", "DLLAB_MODEL_FILE", "DLLAB_MODEL_VERSION", "DLLAB_SOCKET")
        for name in names:
            if not environ.get(name):
                raise ValueError(f"{name} is not set.")
        limit = environ.get("DLLAB_MAX_BODY") or str(8 * 1024 * 1024)
        if not limit.isascii() or not limit.isdigit() or int(limit) < 1:
            raise ValueError("DLLAB_MAX_BODY must be a number of bytes.")
        model, file, version, path = (environ[name] for name in names)
        return cls(model, Path(file), version, Path(path), int(limit))


def main() -> int:
    """Serve until SIGTERM; the exit code."""
    logging.config.dictConfig(_LOGGING)
    try:
        settings = Settings.read(os.environ)
        model = OnnxModel(settings.file)
    except (ValueError, Unservable) as exc:
        _log.error("the model cannot be served: %s", exc)
        return 1
    listener = _listen(settings.socket)
    try:
        _serve(settings, model, listener)
    finally:
        settings.socket.unlink(missing_ok=True)
    return 0


def _serve(settings: Settings, model: OnnxModel, listener: socket.socket) -> None:
    import kserve

    # KServe's affair, and one for each start.
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")

    class Replica(kserve.ModelServer):  # type: ignore[misc, unused-ignore]
        """KServe's server, on our socket and behind `Front`."""

        async def _serve(self) -> None:
            # KServe itself knows no address but 0.0.0.0; uvicorn looks here first.
            self._rest_server.config.fd = listener.fileno()
            # KServe's own names an extension that `Front` keeps closed.
            about = {**self.dataplane.metadata(), "extensions": []}
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
    server.start([_kserve_model(settings.name, model)])


def _kserve_model(name: str, model: OnnxModel) -> Any:
    """The model as KServe's class wants it."""
    import kserve

    class Served(kserve.Model):  # type: ignore[misc, unused-ignore]
        """Computes in a thread of its own, so that the server goes on answering."""

        def __init__(self) -> None:
            super().__init__(name)
            self._mean = float("inf")  # Seconds of a run, of the last few.
            self._pool = ThreadPoolExecutor(1, "model")
            self.ready = True

        async def predict(
            self, payload: Question, headers: Any = None, response_headers: Any = None
        ) -> Any:
            if self._mean < _SHORT and payload.size < _SMALL:
                return self._run(payload)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._run, payload)

        def _run(self, question: Question) -> Any:
            began = time.perf_counter()
            found = model.run(question.arrays, question.outputs)
            took = time.perf_counter() - began
            self._mean = took if self._mean == float("inf") else 0.9 * self._mean + 0.1 * took
            return found

        def get_input_types(self) -> list[dict[str, Any]]:
            return [_metadata(tensor.to_wire()) for tensor in model.inputs]

        def get_output_types(self) -> list[dict[str, Any]]:
            return [_metadata(tensor.to_wire()) for tensor in model.outputs]

    return Served()


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
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # Before NumPy is loaded.
    sys.exit(main())
