"""`EstimatorModel`: a fitted scikit-learn estimator that pickle or joblib has written (``.pkl``).

What loading such a file means, see `unpickled`. An estimator says how many columns it takes, and
not what it gives: that is seen by asking it once.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .example import example_arrays
from .model import DATATYPES, NUMPY_TYPES, BadRequest, Tensor, Unservable, sentence
from .pickle_version import version_in
from .unpickled import reason, unpickled

if TYPE_CHECKING:
    import numpy

__all__ = ("EstimatorModel",)

#: Name of what it takes, as in ONNX files of estimators.
_INPUT = "X"
_MOST_COLUMNS = 1_000_000
#: What an estimator raises for values that it does not take.
_REFUSALS = (ValueError, TypeError, IndexError, KeyError, ArithmeticError)


class EstimatorModel:
    """A `Model` of an estimator of scikit-learn, or of another class that behaves like one.

    Args:
        file: What ``pickle.dump`` or ``joblib.dump`` has written, compressed or not.
        threads: That compute one request.
        example: JSON text of a request that it answers; rows of zeros are tried without one.
        inputs: What it takes, where that was found out before; nothing is asked then.
        outputs: What it gives, likewise.

    Raises:
        Unservable: it cannot be loaded here, or is no fitted estimator.
    """

    def __init__(
        self,
        file: Path,
        threads: int = 1,
        example: str = "",
        inputs: tuple[Tensor, ...] = (),
        outputs: tuple[Tensor, ...] = (),
    ) -> None:
        self._estimator = _loaded(file)
        self.example = ""
        # Python warns of columns without names, among others, at each request.
        warnings.filterwarnings("ignore", module=r"sklearn\.")
        self.inputs, self.outputs = inputs, outputs
        try:
            _limit(self._estimator, threads)
            if not inputs:
                self.inputs, self.outputs = self._found_out(example)
        except Unservable:
            raise
        except Exception as exc:  # Whatever somebody else's code raises.
            raise Unservable(f"it cannot be asked: {reason(exc)}") from exc

    def run(
        self, arrays: Mapping[str, numpy.ndarray], outputs: Sequence[str]
    ) -> dict[str, numpy.ndarray]:
        """As `Model.run`."""
        return {name: self._answer(name, arrays[_INPUT]) for name in outputs}

    def _answer(self, verb: str, rows: numpy.ndarray) -> numpy.ndarray:
        import numpy

        try:
            found = numpy.asarray(getattr(self._estimator, verb)(rows))
        except _REFUSALS as exc:
            raise BadRequest(f"the model cannot compute this: {sentence(str(exc))}") from exc
        return found.astype(object) if found.dtype.kind == "U" else found

    def _found_out(self, example: str) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        trouble = ""
        for datatype, rows in self._trials(example):
            try:
                answers = {"predict": self._answer("predict", rows)}
            except BadRequest as exc:
                trouble = trouble or str(exc)
                continue
            answers |= self._probabilities(rows)
            inputs = (Tensor(_INPUT, datatype, (None, rows.shape[1])),)
            return inputs, tuple(_tensor(name, each, rows) for name, each in answers.items())
        raise Unservable(
            f"it does not take rows of numbers: {trouble} Publish it with an example that it "
            "answers, or export it as ONNX."
        )

    def _trials(self, example: str) -> list[tuple[str, numpy.ndarray]]:
        """Rows to ask it about, and the type they have."""
        import numpy

        count = getattr(self._estimator, "n_features_in_", None)
        if example:
            try:
                rows = example_arrays(example, [_INPUT])[_INPUT]
            except BadRequest as exc:
                raise Unservable(f"the example does not fit the model: {exc}") from exc
            if rows.ndim != 2:
                raise Unservable("the example does not fit the model: it has no rows.")
            rows = numpy.repeat(rows[:1], 2, axis=0)
            count = rows.shape[1] if count is None else count
        if not isinstance(count, Integral) or not 0 < int(count) < _MOST_COLUMNS:
            raise Unservable(
                "it does not say how many columns it takes: fit it, or publish it with an example."
            )
        given = [rows] if example else [numpy.zeros((2, count)), numpy.ones((2, count))]
        # Some of those that were fitted with half the precision take nothing else.
        return [
            (kind, each.astype(NUMPY_TYPES[kind])) for kind in ("FP64", "FP32") for each in given
        ]

    def _probabilities(self, rows: numpy.ndarray) -> dict[str, numpy.ndarray]:
        """One for each class; nothing where there are several questions, or none are known."""
        try:
            found = self._answer("predict_proba", rows)
        except (AttributeError, BadRequest, RuntimeError):
            return {}  # It has none, or only the name: then they are not offered.
        return {"predict_proba": found} if found.ndim == 2 and found.dtype.kind == "f" else {}


def _loaded(file: Path) -> Any:
    """The estimator; from here on its maker's code may have run."""
    if not file.is_file():
        raise Unservable("there is no such file.")
    made = version_in(file)
    origin = f"it was made with scikit-learn {made}" if made else "it names no scikit-learn"
    try:
        import joblib
        import sklearn
    except ModuleNotFoundError as exc:
        raise Unservable(f"{origin}, and this image has no {exc.name}.") from exc
    here = str(sklearn.__version__)
    if made and _minor(made) != _minor(here):
        raise Unservable(
            f"{origin}, and here is {here}: it could answer differently. Fit it with {here}, or "
            "have %deploy make ONNX of it."
        )
    found = unpickled(lambda: joblib.load(file))
    if not callable(getattr(found, "predict", None)) or isinstance(found, type):
        raise Unservable(f"it holds a {type(found).__name__}, which has no predict.")
    return found


def _limit(estimator: Any, threads: int) -> None:
    """Have it compute with so many threads, whatever it was made with."""
    from sklearn.base import BaseEstimator

    if isinstance(estimator, BaseEstimator):
        names = [name for name in estimator.get_params() if name.endswith("n_jobs")]
        estimator.set_params(**dict.fromkeys(names, threads))


def _tensor(name: str, found: numpy.ndarray, rows: numpy.ndarray) -> Tensor:
    """An output as its answer looks."""
    if found.ndim == 0 or len(found) != len(rows):
        raise Unservable(f"its {name} must give an array with a row for each row.")
    text = found.dtype == object and all(isinstance(each, str) for each in found.flat)
    kind = "BYTES" if text else DATATYPES.get(str(found.dtype))
    if kind is None:
        raise Unservable(f"its {name} is of the type {found.dtype}, which cannot travel as JSON.")
    return Tensor(name, kind, (None, *found.shape[1:]))


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
