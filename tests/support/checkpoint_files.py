"""Checkpoints of every format, made of the bytes that make them whole; no framework is needed."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

__all__ = ("MAKERS", "cut", "hdf5", "safetensors")


def archive(path: Path, data: bytes = b"x" * 500) -> None:
    """What torch.save and Keras write."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", data)


def safetensors(path: Path, tensors: int = 2) -> None:
    """A model of so many tensors of 8 bytes."""
    header = {
        f"w{n}": {"dtype": "F32", "shape": [2], "data_offsets": [8 * n, 8 * n + 8]}
        for n in range(tensors)
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8 * tensors))


def hdf5(path: Path, length: int = 900) -> None:
    """A superblock of version 0, and as many bytes as it says."""
    head = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + bytes(8)
    addresses = [0, 2**64 - 1, length, 2**64 - 1]
    head += b"".join(address.to_bytes(8, "little") for address in addresses)
    path.write_bytes(head.ljust(length, b"\1"))


def dllab(folder: Path, step: int) -> Path:
    """One of `dllab_hub.runtime.folder`."""
    path = folder / f"step-{step:08d}"
    path.mkdir(parents=True)
    (path / "state.pt").write_bytes(b"x" * 10)
    files = {"state.pt": {"size": 10, "sha256": ""}}
    about = {"step": step, "time": 5.0, "files": files, "extra": {}}
    (path / "MANIFEST.json").write_text(json.dumps(about))
    return path / "state.pt"


def torch_distributed(folder: Path, step: int) -> Path:
    """A bare folder of torch.distributed.checkpoint of two ranks."""
    path = folder / f"step_{step}"
    path.mkdir(parents=True)
    for rank in (0, 1):
        archive(path / f"__{rank}_0.distcp")
    (path / ".metadata").write_bytes(pickle.dumps(["__0_0.distcp", "__1_0.distcp"]))
    return path / "__1_0.distcp"


def huggingface(folder: Path, step: int) -> Path:
    """What the Trainer leaves of a model in two files."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for name in shards:
        safetensors(path / name)
    index = {"weight_map": {"w0": shards[0], "w1": shards[1]}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        archive(path / name)
    (path / "trainer_state.json").write_text(json.dumps({"epoch": 1.0, "global_step": step}))
    return path / shards[1]


def lightning(folder: Path, step: int) -> Path:
    """What ModelCheckpoint writes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"epoch=9-step={step}.ckpt"
    archive(path)
    return path


def tensorflow(folder: Path, step: int) -> Path:
    """What CheckpointManager writes with two parameter servers."""
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / f"ckpt-{step}.index"
    index.write_bytes(bytes(100) + (0xDB4775248B80FB57).to_bytes(8, "little"))
    for n in (0, 1):
        (folder / f"ckpt-{step}.data-0000{n}-of-00002").write_bytes(b"data" * 10)
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "ckpt-{step}"\n')
    return index


def keras(folder: Path, step: int) -> Path:
    """What Keras' own ModelCheckpoint writes of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{step:02d}-0.25.weights.h5"
    hdf5(path)
    return path


#: Format -> makes one of a step; returns the file that a test may cut short.
MAKERS: dict[str, Callable[[Path, int], Path]] = {
    "dllab": dllab,
    "torch-distributed": torch_distributed,
    "huggingface": huggingface,
    "lightning": lightning,
    "tensorflow": tensorflow,
    "keras": keras,
}


def cut(path: Path) -> None:
    """Take the last bytes away, as a kill in the middle of writing would."""
    os.truncate(path, path.stat().st_size - 7)
