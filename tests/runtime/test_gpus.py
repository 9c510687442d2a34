"""Models that are to compute on a GPU, where there is none: they say so, and compute nowhere.

On another device than the plain CPU they are tried as on a GPU; that one computes is not shown.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from replica import Replica

from dllab_hub.runtime.loading import load
from dllab_hub.runtime.model import Unservable

#: Writes a TorchScript file, a program and a pickled module that double what they get; in the
#: program a device is written down.
WRITE = """
import sys, torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("two", torch.tensor(2.0))
    def forward(self, x):
        return x * self.two + torch.zeros(1, device=x.device)
folder, x = sys.argv[1], torch.ones(1, 4)
text = '{"instances": [[1, 1, 1, 1]]}'
extra = {"dllab.json": '{"example": {"instances": [[1, 1, 1, 1]]}}'}
torch.jit.save(torch.jit.trace(Net(), x), f"{folder}/net.pt", _extra_files=extra)
torch.export.save(torch.export.export(Net(), (x,)), f"{folder}/net.pt2")
torch.save(torch.nn.Linear(4, 4), f"{folder}/net.pth")
"""
#: Loads it for a GPU and says why that cannot be.
REFUSED = """
import sys
from pathlib import Path
from dllab_hub.runtime.loading import load
from dllab_hub.runtime.model import Unservable
try:
    load(Path(sys.argv[1]), gpus=1)
except Unservable as exc:
    print(exc)
"""
#: Loads it for a device that is called otherwise than the CPU, and asks it.
ELSEWHERE = """
import sys, numpy
from pathlib import Path
from dllab_hub.runtime import torch_export, torch_script
from dllab_hub.runtime.loading import load
for module in (torch_export, torch_script):
    module.prepare = lambda threads, gpus: {0: "cpu", 1: "cpu:0"}[gpus]
example = '{"instances": [[1, 1, 1, 1]]}'
model = load(Path(sys.argv[1]), example=example, gpus=1)
rows = {model.inputs[0].name: numpy.ones((1, 4), "float32")}
found = model.run(rows, [model.outputs[0].name])
print(model._device, found[model.outputs[0].name].shape)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `WRITE`."""
    folder = tmp_path_factory.mktemp("torch")
    run(WRITE, folder)
    return folder


def run(code: str, path: Path) -> str:
    """What a program prints in the Python that has PyTorch."""
    done = subprocess.run(
        [os.environ["DLLAB_TEST_PYTHON"], "-W", "ignore", "-c", code, path],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["net.pt", "net.pt2", "net.pth"])
def test_pytorch_without_cuda(files: Path, name: str) -> None:
    """The sentence says that it was built without, and what helps."""
    said = run(REFUSED, files / name)

    assert said.startswith("this image's PyTorch 2.")
    assert "has no CUDA build, and a GPU was asked for" in said


@pytest.mark.parametrize("name", ["net.pt", "net.pt2"])  # Pickles have no word for this one.
def test_pytorch_on_another_device(files: Path, name: str) -> None:
    """Weights, what is written down in a program, and what is asked all go there."""
    assert "cpu:0 (1, 4)" == run(ELSEWHERE, files / name)


def test_onnx_without_cuda(onnx_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The replica ends, and says what the image lacks."""
    monkeypatch.setenv("DLLAB_GPUS", "1")
    with tempfile.TemporaryDirectory() as folder:
        replica = Replica(onnx_models / "net.onnx", Path(folder))
        code = replica.process.wait(60)
        said = replica.log.read_text()

    assert 1 == code
    assert "this image's ONNX Runtime has no CUDA build" in said


def test_estimators_need_none(tmp_path: Path) -> None:
    """What computes on CPUs only takes no GPU from anybody."""
    with pytest.raises(Unservable, match="deploy it without GPUs"):
        load(tmp_path / "net.pkl", gpus=1)
