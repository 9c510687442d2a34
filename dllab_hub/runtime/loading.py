"""`load`: a model of any format, from the file or directory of a version.

The store has recognised the format by the content and named the file after it: here the name says
which it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .model import Model, Tensor, Unservable

__all__ = ("ABOUT", "Signature", "load")

#: Beside a model: what was found out about it when it was published, where its own file lacks it.
ABOUT = "signature.json"
_LARGEST = 1024 * 1024


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives, for a format whose files do not say it.

    Attributes:
        inputs: In the order in which the model takes them.
        outputs: In the order in which it gives them.
    """

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()

    @classmethod
    def beside(cls, file: Path) -> Signature | None:
        """What was noted beside a model, or None.

        Raises:
            Unservable: it is damaged.
        """
        try:
            with file.with_name(ABOUT).open("rb") as noted:
                found = json.loads(noted.read(_LARGEST))
            return cls(*(tuple(map(Tensor.from_wire, found[key])) for key in ("inputs", "outputs")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
            raise Unservable("what was noted of the model's inputs cannot be read.") from exc


@dataclass(frozen=True)
class Wish:
    """How a model is to be loaded.

    Attributes:
        file: Its file or directory.
        threads: That compute one request.
        example: JSON text of a request, where its signature is to be found out by asking it.
        signature: Its signature, where that is known.
        gpus: That it sees; 0: it computes on the CPU.
    """

    file: Path
    threads: int = 1
    example: str = ""
    signature: Signature | None = field(default=None)
    gpus: int = 0


def load(file: Path, threads: int = 1, example: str = "", *, gpus: int = 0) -> Model:
    """Load a model.

    Args:
        file: Ends in ``.onnx``, ``.pt2`` (torch.export), ``.pt`` (TorchScript), ``.pkl`` (an
            estimator) or ``.pth`` (a module in a pickle), or is the directory of a SavedModel.
        threads: That compute one request.
        example: JSON text of a request, for a format that cannot say what it takes.
        gpus: That it sees; 0: it computes on the CPU, else on the first one and never on the CPU.

    Raises:
        Unservable: it cannot be loaded, or has inputs or outputs that have no JSON; or the
            framework that it needs is not here, or cannot compute on a GPU.
    """
    kind = file.suffix if file.suffix in _LOADERS else "/" if file.is_dir() else ".onnx"
    package, loader = _LOADERS[kind]
    try:
        return loader(Wish(file, threads, example, Signature.beside(file), gpus))
    except ModuleNotFoundError as exc:
        if exc.name != package:
            raise
        raise Unservable(f"this image has no {package}: it cannot serve such a file.") from exc


def _onnx(wish: Wish) -> Model:
    from .onnx_model import OnnxModel

    return OnnxModel(wish.file, wish.threads, gpus=wish.gpus)


def _exported(wish: Wish) -> Model:
    from .torch_export import ExportedModel

    return ExportedModel(wish.file, wish.threads, gpus=wish.gpus)


def _script(wish: Wish) -> Model:
    from .torch_script import ScriptModel

    found = wish.signature or Signature()
    known = found.inputs, found.outputs
    return ScriptModel(wish.file, wish.threads, wish.example, *known, gpus=wish.gpus)


def _module(wish: Wish) -> Model:
    from .torch_module import PickledModule

    found = wish.signature or Signature()
    known = found.inputs, found.outputs
    return PickledModule(wish.file, wish.threads, wish.example, *known, gpus=wish.gpus)


def _estimator(wish: Wish) -> Model:
    if wish.gpus:
        raise Unservable("scikit-learn computes on CPUs only: deploy it without GPUs.")
    from .estimator_model import EstimatorModel

    found = wish.signature or Signature()
    return EstimatorModel(wish.file, wish.threads, wish.example, found.inputs, found.outputs)


def _saved(wish: Wish) -> Model:
    from .saved_model import SavedModel

    return SavedModel(wish.file, wish.threads, gpus=wish.gpus)


_LOADERS: Mapping[str, tuple[str, Callable[[Wish], Model]]] = {
    ".onnx": ("onnxruntime", _onnx),
    ".pt2": ("torch", _exported),
    ".pt": ("torch", _script),
    ".pth": ("torch", _module),
    ".pkl": ("sklearn", _estimator),
    "/": ("tensorflow", _saved),
}
