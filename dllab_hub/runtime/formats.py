"""Which whole checkpoints lie in a folder, whoever wrote them: one rule for worker and service.

==================== ========================================= ===================================
format               on disk                                   whole when
==================== ========================================= ===================================
dllab                ``step-N/MANIFEST.json``                  all it names is there in full size
torch-distributed    the same, or any folder with ``.metadata`` ... and all shards that it names
huggingface          ``checkpoint-N/``                         ``trainer_state.json`` and the model
lightning            ``*.ckpt``                                the archive has its end
tensorflow           ``NAME-N.index``, ``NAME-N.data-*-of-*``  the index has its end; all shards;
                                                               the manager's list came after it
keras                ``*.keras``, ``*.weights.h5``, or the     the file is as long as it says
                     folder of ``BackupAndRestore``
==================== ========================================= ===================================

Nothing is unpickled. Reading goes through `Files`, so that the service can read as a stranger does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import time as now

from .reading import SMALL, Files, Missing, Purse, Spent, look, read_json
from .wholeness import is_whole

__all__ = ("FORMATS", "Files", "Found", "Missing", "search")

FORMATS = ("dllab", "torch-distributed", "huggingface", "lightning", "tensorflow", "keras")

_STEP = re.compile(r"step-(\d{1,18})")
_HUGGINGFACE = re.compile(r"checkpoint-(\d{1,18})")
_SHARD = re.compile(r"__(\d{1,6})_(\d{1,6})\.distcp")
_NAMED_SHARD = re.compile(rb"__\d{1,6}_\d{1,6}\.distcp")
_MODEL = re.compile(r"(adapter_)?(model|pytorch_model)(\.safetensors|\.bin)(\.index\.json)?")
_KERAS = (".keras", ".weights.h5")
_KERAS_STATE, _KERAS_WEIGHTS = "training_metadata.json", "latest.weights.h5"
#: A folder with more than anybody keeps shows its newest.
_MAX_NAMES = 10_000
_MAX_FOUND, _MAX_FOLDERS, _DEPTH = 1000, 200, 2
#: Seconds after which nobody will list a checkpoint of TensorFlow any more: its writer has no list.
_LISTED_LATER = 5.0

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """One whole checkpoint.

    Attributes:
        step: That its manifest or its name says; 0 when neither does. Keras counts epochs.
        parts: Where it lies: a folder, a file, or TensorFlow's prefix, which is no file itself.
        files: All its files.
        size: Bytes of them together.
        time: When it was finished, seconds since the epoch.
        format: One of `FORMATS`.
    """

    step: int
    parts: Parts
    files: tuple[Parts, ...]
    size: int
    time: float
    format: str


def search(folder: Files, share: int = 1) -> Iterator[Found]:
    """The whole ones, newest first; one that is not whole is passed over.

    Only as much is read as is asked for: the newest one alone is cheap. Whatever lies in the
    folder, only a bounded amount is read: see `reading`.

    Args:
        folder: Where they lie.
        share: Only so great a part of that amount: 1 / share.
    """
    files = Purse(folder, share)
    candidates = sorted(_candidates(files), key=lambda one: one[:2], reverse=True)
    for _, parts, rule in candidates[:_MAX_FOUND]:
        try:
            found = rule(files, parts)
        except Spent:
            return
        except (Missing, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # Whatever it is, it is no whole checkpoint.
        if found is not None:
            yield found


_Rule = Callable[[Purse, Parts], "Found | None"]


def _candidates(files: Purse, at: Parts = ()) -> Iterator[tuple[int, Parts, _Rule]]:
    """What may be a checkpoint by its name: its step, its place, and who can tell."""
    folders = 0
    for name in files.names(*at)[:_MAX_NAMES]:
        parts = (*at, name)
        if name.startswith("."):
            continue
        if match := _STEP.fullmatch(name):
            yield int(match[1]), parts, _own
        elif match := _HUGGINGFACE.fullmatch(name):
            yield int(match[1]), parts, _huggingface
        elif name.endswith(".index"):
            yield _step(name.removesuffix(".index")), parts, _tensorflow
        elif name.endswith(".ckpt"):
            yield _step(name.removesuffix(".ckpt")), parts, _lightning
        elif name.endswith(_KERAS) and name != _KERAS_WEIGHTS:
            yield _step(name.partition(".keras")[0].partition(".weights")[0]), parts, _keras
        elif ".data-" not in name and len(at) < _DEPTH and folders < _MAX_FOLDERS:
            inside = files.names(*parts)
            folders += 1
            if ".metadata" in inside:
                yield _step(name), parts, _shards
            elif _KERAS_STATE in inside:
                yield 0, parts, _keras_backup
            elif inside:
                yield from _candidates(files, parts)


def _step(stem: str) -> int:
    """``epoch=1-step=20`` is step 20, ``ckpt-7`` is 7, ``weights.03-0.25`` is 3, ``last`` is 0."""
    named = re.search(r"step[=_-]?(\d{1,18})(?!\d)", stem)
    plain = re.findall(r"(?<!\d)\d{1,18}(?!\d)", re.sub(r"\d+\.\d+", "", stem))
    return int(named[1] if named else plain[-1] if plain else 0)


def _own(files: Purse, parts: Parts) -> Found | None:
    try:
        about, _ = read_json(files, *parts, "MANIFEST.json")
    except Missing:
        return _shards(files, parts)
    sizes = {name: file["size"] for name, file in about["files"].items()}
    paths = {name: name.split("/") for name in sizes}
    if any(part in {"", ".", ".."} for path in paths.values() for part in path):
        return None
    if any(look(files, *parts, *paths[name])[0] != size for name, size in sizes.items()):
        return None
    places = tuple((*parts, *path) for path in paths.values())
    format = "torch-distributed" if about.get("format") == "torch-distributed" else "dllab"
    size, time = sum(sizes.values()), float(about["time"])
    return Found(about["step"], parts, (*places, (*parts, "MANIFEST.json")), size, time, format)


def _shards(files: Purse, parts: Parts) -> Found | None:
    """A folder of torch.distributed.checkpoint: ``.metadata`` comes when all shards are there."""
    names = [name for name in files.names(*parts) if not name.endswith(".tmp")]
    ranks = sorted({int(match[1]) for name in names if (match := _SHARD.fullmatch(name))})
    if not ranks or ranks != list(range(len(ranks))):
        return None
    with files.opened(*parts, ".metadata") as file:
        # A pickle, which is not loaded: the names in it are plain text.
        text = file.read(SMALL, max(0, file.size - SMALL))
    named = {match.decode() for match in _NAMED_SHARD.findall(text)}
    if not named or not named <= set(names):
        return None
    plain = [name for name in names if not files.names(*parts, name)]
    seen = {name: look(files, *parts, name, whole=True) for name in plain}
    written = seen[".metadata"][1]
    if any(time > written for name, (_, time) in seen.items() if _SHARD.fullmatch(name)):
        return None  # It belongs to an older save into the same folder.
    return _folder(parts, seen, _step(parts[-1]), written, "torch-distributed")


def _huggingface(files: Purse, parts: Parts) -> Found | None:
    """The trainer writes its state last; every file must be whole, as resuming reads them all."""
    names = files.names(*parts)
    if "trainer_state.json" not in names:
        return _shards(files, parts) if ".metadata" in names else None
    models = [name for name in names if _MODEL.fullmatch(name)]
    shards: list[str] = []
    for name in models:
        if name.endswith(".index.json"):
            shards += set(read_json(files, *parts, name)[0]["weight_map"].values())
    inner = [name for name in names if _shards_inside(files, (*parts, name))]
    if not (models or inner) or not set(shards) <= set(names):
        return None
    seen = {}
    for name in names:
        if not files.names(*parts, name):  # No folder.
            seen[name] = look(files, *parts, name, whole=True)
    with files.opened(*parts, "trainer_state.json") as file:
        # It has the whole history, sorted by key: its beginning is enough.
        step = re.search(rb'"global_step": (\d{1,18})', file.read(65536, 0))
        return _folder(parts, seen, int(step[1]), file.time, "huggingface") if step else None


def _shards_inside(files: Purse, parts: Parts) -> bool:
    inside = files.names(*parts)
    if ".metadata" not in inside and any(_SHARD.fullmatch(name) for name in inside):
        raise Missing("shards without their metadata")
    return ".metadata" in inside and _shards(files, parts) is not None


def _lightning(files: Purse, parts: Parts) -> Found | None:
    return _single(files, parts, "lightning", _shards)


def _keras(files: Purse, parts: Parts) -> Found | None:
    return _single(files, parts, "keras", lambda files, parts: None)


def _single(files: Purse, parts: Parts, format: str, folder: _Rule) -> Found | None:
    if files.names(*parts):
        return folder(files, parts)
    size, time = look(files, *parts, whole=True)
    return Found(_step(parts[-1].rpartition(".")[0]), parts, (parts,), size, time, format)


def _tensorflow(files: Purse, parts: Parts) -> Found | None:
    prefix = parts[-1].removesuffix(".index")
    where = parts[:-1]
    shard = re.compile(re.escape(prefix) + r"\.data-(\d{5})-of-(\d{5})")
    shards = {name: match for name in files.names(*where) if (match := shard.fullmatch(name))}
    count = {int(match[2]) for match in shards.values()}
    if count != {len(shards)}:
        return None
    size, time = look(files, *parts, whole=True)
    sizes = [look(files, *where, name)[0] for name in shards]
    if not all(sizes):
        return None
    # The manager's own list names the newest and is replaced last: what is newer than the list, the
    # manager does not know, nor will it ever if it was killed just then.
    listed = [(*where, "checkpoint")] if "checkpoint" in files.names(*where) else []
    known = look(files, *listed[0])[1] if listed else now() - _LISTED_LATER
    if time > known:
        return None
    places = (parts, *((*where, name) for name in shards), *listed)
    return Found(_step(prefix), (*where, prefix), places, size + sum(sizes), time, "tensorflow")


def _keras_backup(files: Purse, parts: Parts) -> Found | None:
    """``BackupAndRestore`` of Keras 3; the files before, when it keeps two of each."""
    for end in ("", ".bkp"):
        try:
            state, time = read_json(files, *parts, _KERAS_STATE + end)
            with files.opened(*parts, _KERAS_WEIGHTS + end) as file:
                if is_whole(_KERAS_WEIGHTS, file):
                    names = (_KERAS_STATE + end, _KERAS_WEIGHTS + end)
                    places = tuple((*parts, name) for name in names)
                    return Found(int(state["epoch"]), parts, places, file.size, time, "keras")
        except (Missing, ValueError, KeyError, TypeError):
            continue  # Then perhaps the one before.
    return None


def _folder(
    parts: Parts, seen: dict[str, tuple[int, float]], step: int, time: float, format: str
) -> Found:
    places = tuple((*parts, name) for name in seen)
    return Found(step, parts, places, sum(size for size, _ in seen.values()), time, format)
