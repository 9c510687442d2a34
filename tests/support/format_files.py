"""Small models of other formats than ONNX, written by the Python of the image that serves them.

Those images are large, and `make test` builds none: what needs one is skipped without it. It is
the environment of `dllab env build`, or the Python that a variable names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ("SKLEARN", "TENSORFLOW", "TORCH", "needs", "write")

#: Image -> the variable that names another Python; read now, as each test clears the environment.
_VARIABLES = {
    "serving-torch": "DLLAB_TEST_TORCH_SERVER",
    "serving-tensorflow": "DLLAB_TEST_TENSORFLOW_SERVER",
    "serving-sklearn": "DLLAB_TEST_SKLEARN_SERVER",
    "tensorflow": "DLLAB_TEST_KERAS",
    "skl2onnx": "DLLAB_TEST_SKL2ONNX",
}


def _python(image: str) -> str:
    # This file runs in those Pythons too, which have none of it.
    from dllab_hub import images
    from dllab_hub.errors import DLLabError
    from dllab_hub.state import StateDir

    if named := os.environ.get(_VARIABLES[image]):
        return named
    try:
        return str(images.python_of(StateDir.default(), image))
    except DLLabError:
        return ""


PYTHONS = {image: _python(image) for image in _VARIABLES} if __name__ != "__main__" else {}
TORCH, TENSORFLOW = PYTHONS.get("serving-torch", ""), PYTHONS.get("serving-tensorflow", "")
SKLEARN = PYTHONS.get("serving-sklearn", "")


def needs(image: str) -> pytest.MarkDecorator:
    """Skips where the image is not built."""
    import pytest

    how = f"dllab env build {image}" if image != "skl2onnx" else "pip install skl2onnx"
    why = f"needs {image}: {how}, or {_VARIABLES[image]} names a Python with the same in it"
    return pytest.mark.skipif(not PYTHONS[image], reason=why)


def write(python: str, folder: Path) -> Path:
    """All models that this Python can make; what each is for is said where it is made."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [python, __file__, folder],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


_EXAMPLE = '{"instances": [[1.0, 2, 3, 4], [1, 1, 1, 1]]}'


def _torch_models(folder: Path) -> None:
    import io
    import json
    import pickle
    import zipfile

    import torch
    from torch import nn

    class Net(nn.Module):
        """Answers [[10, -2], [4, 1]] to [[1, 2, 3, 4], [1, 1, 1, 1]]."""

        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([[1.0, 3], [1, -1], [1, -1], [1, 0]]))

        def forward(self, x):
            return x @ self.w

    class Two(nn.Module):
        def forward(self, a, b):
            return {"sum": a + b, "product": a * b}

    class Pick(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Embedding(3, 2)
            self.e.weight.data = torch.arange(6.0).reshape(3, 2)

        def forward(self, ids):
            return self.e(ids)

    net, x, any_size = Net().eval(), torch.ones(2, 4), torch.export.Dim("batch")

    def export(name, module, args, shapes, kwargs=None):
        program = torch.export.export(module, args, kwargs, dynamic_shapes=shapes)
        torch.export.save(program, folder / f"{name}.pt2")

    export("net", net, (x,), {"x": {0: any_size}})
    export("fixed", net, (x,), None)
    export("two", Two(), (x,), {"a": {0: any_size}, "b": {0: any_size}}, {"b": 2 * x})
    # A size that is arithmetic of another.
    pool = nn.Sequential(nn.Conv1d(1, 1, 3, stride=2), nn.Flatten(0))
    free = torch.export.Dim.AUTO
    export("arithmetic", pool, (torch.ones(2, 1, 9),), ({0: free, 2: free},))
    pick = torch.jit.script(Pick())
    pick.save(folder / "pick.pt")
    script = torch.jit.script(net)
    script.save(folder / "bare.pt")
    extra = {"dllab.json": json.dumps({"example": json.loads(_EXAMPLE)})}
    torch.jit.save(torch.jit.trace(net, x), folder / "net.pt", _extra_files=extra)
    torch.save(net.state_dict(), folder / "weights.pth")
    plain = nn.Linear(4, 2, bias=False)
    plain.weight.data = net.w.data.T.contiguous()
    torch.save(nn.Sequential(plain), folder / "whole.pth")

    class Own(nn.Linear):
        """Of a class that is nowhere else."""

    Own.__qualname__, globals()["Own"] = "Own", Own
    torch.save(Own(4, 2), folder / "own.pth")
    torch.save(torch.optim.SGD(plain.parameters()), folder / "other.pth")
    torch.save({"epoch": 3}, folder / "checkpoint.pth", _use_new_zipfile_serialization=False)
    for name in ("net.pt2", "net.pt"):
        (folder / f"cut-{name}").write_bytes((folder / name).read_bytes()[:3000])

    # Files that would make a file called "ran" beside them, if anything in them were run.
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(folder / "ran"),)

    def altered(name, change):
        with (
            zipfile.ZipFile(folder / "net.pt2") as old,
            zipfile.ZipFile(folder / f"{name}.pt2", "w") as new,
        ):
            for info in old.infolist():
                new.writestr(info.filename, change(info.filename, old.read(info)))

    evil = io.BytesIO()
    torch.save(Evil(), evil)

    def weight(name, data):
        if name.endswith("weights/weight_0"):
            return evil.getvalue()
        return data.replace(b'"use_pickle": false', b'"use_pickle": true')

    def constant(name, data):
        about = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True}
        about = {"config": {"z": {**about, "tensor_meta": None}}}
        return json.dumps(about) if name.endswith("constants_config.json") else data

    symbol = b"Symbol('s77', positive=True, integer=True)"
    code = f"__import__('os').mkdir('{folder / 'ran'}')".encode()
    altered("sample", lambda n, d: evil.getvalue() if "sample_inputs" in n else d)
    altered("weight", weight)
    altered("constant", constant)
    with zipfile.ZipFile(folder / "constant.pt2", "a") as archive:
        archive.writestr("net/data/constants/opaque_obj_0", pickle.dumps(Evil()))
    guards = json.dumps({"guards_code": [code.decode()]})[1:-1].encode()
    altered("guard", lambda n, d: d.replace(b'"guards_code": []', guards))
    altered("expression", lambda n, d: d.replace(symbol, code) if n.endswith("model.json") else d)


def _tensorflow_models(folder: Path) -> None:
    import tensorflow as tf

    class Net(tf.Module):
        """Answers [[10, -2], [4, 1]] to [[1, 2, 3, 4], [1, 1, 1, 1]]."""

        def __init__(self):
            super().__init__()
            self.w = tf.Variable([[1.0, 3], [1, -1], [1, -1], [1, 0]])

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
        def net(self, x):
            return {"y": x @ self.w}

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.string, name="x")])
        def text(self, x):
            return {"y": tf.strings.upper(x, encoding="utf-8")}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="ids")])
        def pick(self, ids):
            return {"y": tf.gather(self.w, ids)}

    net = Net()
    for name in ("net", "text", "pick"):
        signature = {"serving_default": getattr(net, name)}
        tf.saved_model.save(net, str(folder / name), signature)
    tf.saved_model.save(net, str(folder / "other"), {"serve": net.net})


def _estimators(folder: Path) -> None:
    import pickle

    import joblib
    import numpy
    from sklearn.cluster import KMeans
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.preprocessing import FunctionTransformer

    rows = numpy.random.default_rng(0).random((40, 4))
    labels = numpy.array(["no", "yes"])[(rows[:, 0] > 0.5).astype(int)]
    # Answers [[10, -2], [4, 1]] to [[1, 2, 3, 4], [1, 1, 1, 1]].
    net = LinearRegression().fit(rows, rows[:, :2])
    net.coef_ = numpy.array([[1.0, 1, 1, 1], [3, -1, -1, 0]])
    net.intercept_ = numpy.zeros(2)
    forest = RandomForestClassifier(10, random_state=0, n_jobs=-1).fit(rows, labels)

    class Own(LinearRegression):
        """Of a class that is nowhere else."""

    Own.__qualname__, globals()["Own"] = "Own", Own
    made = {
        "net": net,
        "classes": LogisticRegression().fit(rows, labels),
        "half": KMeans(2, n_init=1, random_state=0).fit(rows.astype("float32")),
        "own": Own().fit(rows, rows[:, 0]),
        "unfitted": LogisticRegression(),
        "changes": FunctionTransformer().fit(rows),
        "dict": {"a": 1},
    }
    for name, each in made.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(each))
    joblib.dump(forest, folder / "forest.joblib")
    for packer in ("zlib", "gzip", "bz2", "xz", "lzma"):
        joblib.dump(net, folder / f"net.{packer}", compress=(packer, 3))
    data = pickle.dumps(net)
    (folder / "first.pkl").write_bytes(pickle.dumps(net, 2))
    (folder / "cut.pkl").write_bytes(pickle.dumps(forest)[:-200])
    at = data.index(b"_sklearn_version\x94\x8c") + len(b"_sklearn_version\x94\x8c")
    (folder / "old.pkl").write_bytes(data[:at] + b"\x050.1.2" + data[at + 1 + data[at] :])


if __name__ == "__main__":
    from importlib.util import find_spec

    makers = {"torch": _torch_models, "tensorflow": _tensorflow_models, "sklearn": _estimators}
    next(make for package, make in makers.items() if find_spec(package))(Path(sys.argv[1]))
