"""What PyTorch's formats share: types, one run, answers by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .model import DATATYPES, BadRequest, Unservable, sentence

if TYPE_CHECKING:
    import numpy

__all__ = ("answered", "arrays_of", "datatype_of", "named", "prepare", "tensors_of")


def prepare(threads: int, gpus: int = 0) -> str:
    """Have PyTorch compute with so many threads; what it loads holds tensors and nothing else.

    Args:
        threads: How many.
        gpus: That it sees.

    Returns:
        The device that it is to compute on: the CPU only where there are no GPUs.

    Raises:
        Unservable: there are, and this PyTorch cannot use them.
    """
    import os

    import torch

    # Whatever asks torch.load for more, the loader of exported programs among them.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    torch.set_num_threads(threads)
    if not gpus:
        return "cpu"
    if torch.version.cuda is None:
        raise Unservable(
            f"this image's PyTorch {torch.__version__} has no CUDA build, and a GPU was asked for: "
            "put one that has into the image's requirements, or deploy it without GPUs."
        )
    if not torch.cuda.is_available():
        raise Unservable(
            f"PyTorch {torch.__version__} finds no GPU that it can use, and one was asked for: its "
            f"CUDA {torch.version.cuda} may be newer than the driver."
        )
    return "cuda"


def datatype_of(dtype: Any, what: str) -> str:
    """As the protocols call it.

    Raises:
        Unservable: they have no word for it.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DATATYPES:
        raise Unservable(f"its {what} is of the type {name}, which cannot travel as JSON.")
    return DATATYPES[name]


def tensors_of(arrays: Mapping[str, numpy.ndarray], device: str = "cpu") -> dict[str, Any]:
    """The arrays as tensors of a device, which may be written to."""
    import numpy
    import torch

    return {
        name: torch.from_numpy(
            array if array.flags.writeable and array.flags.c_contiguous else numpy.array(array)
        ).to(device)
        for name, array in arrays.items()
    }


def answered(call: Callable[[], Any]) -> dict[str, Any]:
    """What a module answers, by name.

    Raises:
        BadRequest: it does not take these values.
    """
    import torch

    try:
        with torch.inference_mode():
            found = call()
    except torch.OutOfMemoryError:
        raise
    # What PyTorch raises for nearly everything; a guard of an exported program is an assertion.
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as exc:
        raise BadRequest(f"the model cannot compute this: {_reason(exc)}") from exc
    return named(found)


def named(found: Any) -> dict[str, Any]:
    """Tensors that a module gave, by name: ``output``, ``output_0`` and so on, or its own.

    Raises:
        Unservable: it gave something else.
    """
    import torch

    if isinstance(found, torch.Tensor):
        named = {"output": found}
    elif isinstance(found, Mapping):
        named = {str(name): value for name, value in found.items() if value is not None}
    elif isinstance(found, tuple | list):
        named = {f"output_{number}": value for number, value in enumerate(found)}
    else:
        named = {}
    if not named or not all(isinstance(value, torch.Tensor) for value in named.values()):
        raise Unservable("the model must give a tensor, or a tuple or dict of tensors.")
    return named


def arrays_of(found: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, numpy.ndarray]:
    """The named ones as arrays."""
    return {name: found[name].detach().cpu().numpy() for name in outputs}


def _reason(exc: BaseException) -> str:
    """TorchScript puts what happened last, below where."""
    lines = [line.strip() for line in str(exc).split("\n") if line.strip()]
    said = next((line for line in reversed(lines) if "Error: " in line), "")
    return sentence(said.partition("Error: ")[2] or "\n".join(lines))
