"""`build_nvml`: GPUs that do not exist, for tests on machines without one.

A small C library takes the place of the driver's ``libnvidia-ml.so.1``, below the real pynvml. A
process sees it when it starts with ``LD_LIBRARY_PATH`` set to the directory; the process that is
running already enters `FakeNvml.loaded`.

>>> fake = FakeNvml.build(tmp_path, gpus=2)  # doctest: +SKIP
>>> subprocess.run(["dllab", "gpus"], env={**os.environ, **fake.env})  # doctest: +SKIP
>>> fake.set(gpu=1, utilization=90, error=FakeNvml.GPU_IS_LOST)  # doctest: +SKIP
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..errors import Unavailable

__all__ = ("FakeNvml", "build_nvml")

_SONAME = "libnvidia-ml.so.1"
_library: ctypes.CDLL | None = None  # Stays in the process once loaded.
_GPU: dict[str, str | int] = {
    "name": "NVIDIA Fake GPU",
    "utilization": 37,
    "memory": f"{3 * 2**30} {16 * 2**30}",
    "temperature": 41,
    "slowdown": 90,
    "shutdown": 95,
    "power": 71500,
    "power_limit": 250000,
    "pcie": 1000,
    "pcie_received": 2000,
    "pcie_generation": 4,
    "pcie_width": 16,
    "clock": 1410,
    "memory_clock": 1215,
    "throttle": 0,
    "ecc": "0 0",
    "remapped": "0 0 0 0",
    "recovery": 0,
    "processes": "",
    "graphics": "",
    "mps": "",
    "events": 1,
}


def build_nvml(directory: Path, gpus: int = 2) -> Path:
    """Compile the library into ``directory`` and describe ``gpus`` idle-looking GPUs to it.

    Their UUIDs are ``GPU-00000000-0000-0000-0000-000000000000`` and counting.

    Returns:
        Path of the library; its parent is what ``LD_LIBRARY_PATH`` has to name.

    Raises:
        Unavailable: there is no C compiler.
    """
    return FakeNvml.build(directory, gpus).directory / _SONAME


@dataclass(frozen=True)
class FakeNvml:
    """What the fake GPUs do from the next NVML call on, in every process that sees them.

    Attributes:
        directory: Where the library, ``nvml.conf`` (what it answers) and ``calls`` (the names of
            the NVML functions that were called, one a line) are.
    """

    # A few of NVML's return codes; any other number works as well.
    NO_PERMISSION: ClassVar[int] = 4
    DRIVER_NOT_LOADED: ClassVar[int] = 9
    GPU_IS_LOST: ClassVar[int] = 15
    DRIVER_MISMATCH: ClassVar[int] = 18
    UNKNOWN: ClassVar[int] = 999

    directory: Path

    @classmethod
    def build(cls, directory: Path, gpus: int = 2) -> FakeNvml:
        """Compile it into ``directory``, which is made if need be; see `build_nvml`."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise Unavailable("the fake NVML needs a C compiler.", hint="Install gcc or clang.")
        directory.mkdir(parents=True, exist_ok=True)
        source = Path(__file__).with_name("nvml_stub.c")
        soname = f"-Wl,-soname,{_SONAME}"
        flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", soname]
        subprocess.run(
            [compiler, *flags, "-o", directory / _SONAME, source, "-ldl"],
            check=True,
            capture_output=True,
        )
        fake = cls(directory)
        fake.set(gpus=gpus, driver="575.64.03", driver_loads=0)
        for gpu in range(gpus):
            uuid = f"GPU-00000000-0000-0000-0000-{gpu:012d}"
            fake._put(f"{gpu}.", {**_GPU, "uuid": uuid})
        return fake

    @property
    def env(self) -> dict[str, str]:
        """What makes a new process see these GPUs."""
        paths = [str(self.directory), os.environ.get("LD_LIBRARY_PATH", "")]
        return {"LD_LIBRARY_PATH": ":".join(path for path in paths if path)}

    def set(
        self, gpu: int | None = None, slice: int | None = None, **values: str | int | None
    ) -> None:
        """Change what the library answers.

        Args:
            gpu: Index of the GPU that ``values`` are of; None for the machine.
            slice: Of a slice of that GPU, which there is as soon as it has a uuid.
            **values: Of a GPU: uuid, name, utilization (percent), memory (``"USED TOTAL"``, bytes),
                temperature, slowdown, shutdown (Celsius), power, power_limit (milliwatts), clock,
                memory_clock (MHz), throttle (bits), ecc (``"CORRECTED UNCORRECTED"``), remapped
                (``"CORRECTED UNCORRECTED PENDING FAILED"``), recovery, pcie, pcie_received (KiB/s),
                pcie_generation, pcie_width, nvlink_sent, nvlink_received (KiB up to now),
                processes, graphics, mps (``"PID:BYTES PID:BYTES"``; BYTES may be ``none``), mig (0,
                1), attributes (``"GPU_SLICES COMPUTE_SLICES MIB"``, of a slice), error (NVML return
                code of every call about it); None: not supported.
                Of the machine: gpus (how many), driver (version), init_error (return code of
                nvmlInit), delay_ms (every call takes so long), hang (1: calls do not return until
                it is 0), memory_v2, event_reasons (0: a driver too old for that function), events
                (0: of none is told), driver_loads (another number: the driver was loaded again, and
                NVML has to be initialised again), steady (1: a process that initialises NVML from
                now on reads what it answers just then, counts no calls, and a call costs as little
                as a driver's).
        """
        self._put("" if gpu is None else f"{gpu}." if slice is None else f"{gpu}:{slice}.", values)

    def divide(self, gpu: int, *profiles: str) -> tuple[str, ...]:
        """Divide a GPU into slices of these profiles, such as ``1g.10gb``.

        Returns:
            Their UUIDs: ``MIG-00000000-0000-0000-GPU-SLICE``, with numbers.
        """
        uuids = []
        self.set(gpu=gpu, mig=1, utilization=None)
        for slice, profile in enumerate(profiles):
            uuids.append(f"MIG-00000000-0000-0000-{gpu:04d}-{slice:012d}")
            memory = f"{2**30} {int(profile.rpartition('.')[2].removesuffix('gb')) * 2**30}"
            name = f"NVIDIA Fake GPU MIG {profile}"
            self.set(
                gpu=gpu, slice=slice, uuid=uuids[-1], name=name, memory=memory,
                processes="", graphics="", mps="",
            )  # fmt: skip
        return tuple(uuids)

    def xid(self, gpu: int, number: int) -> None:
        """Let the driver report an error of a GPU to all who watch from before."""
        self.set(xids=f"{self._lines().get('xids', '')} {gpu}:{number}".strip())

    def calls(self) -> Counter[str]:
        """How often each NVML function was called, by all processes together."""
        path = self.directory / "calls"
        return Counter(path.read_text().splitlines()) if path.exists() else Counter()

    def _put(self, prefix: str, values: Mapping[str, str | int | None]) -> None:
        lines = self._lines()
        for name, value in values.items():
            lines[prefix + name] = "none" if value is None else str(value)
        # Renamed into place: a call never reads half a file.
        conf = self.directory / "nvml.conf"
        new = conf.with_suffix(".new")
        new.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        new.replace(conf)

    def _lines(self) -> dict[str, str]:
        conf = self.directory / "nvml.conf"
        text = conf.read_text() if conf.exists() else ""
        return dict(line.split(" ", 1) for line in text.splitlines())

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """Within it this process sees these GPUs; after it, a driver that is not loaded.

        The loader takes a library that is in the process already for any request of its name, and
        never lets go of it: so one is loaded once, and pointed at another directory each time.

        Raises:
            Unavailable: this process uses a real NVML already.
        """
        import pynvml

        global _library
        if _library is None:
            if pynvml.nvmlLib is not None:
                raise Unavailable("this process has loaded NVIDIA's own NVML already.")
            _library = ctypes.CDLL(str(self.directory / _SONAME))
        _library.dllab_fake_nvml(str(self.directory).encode())
        try:
            yield
        finally:
            _library.dllab_fake_nvml(b"/nonexistent")
