"""What a log says about why a process ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dllab_hub.shim.tracebacks import exception_of, is_collateral, last_traceback, refusal

ONE = 'Traceback (most recent call last):\n  File "a.py", line 1\n    x\nValueError: boom'
LINK = "\nDuring handling of the above exception, another exception occurred:\n\n"
FULL = ONE.replace("ValueError: boom", "OSError: [Errno 28] No space left on device")
PEER = ONE.replace("ValueError: boom", "RuntimeError: Connection closed by peer [127.0.0.1]:4471")
LAUNCHER = """Traceback (most recent call last):
  File "torchrun", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\x20
============================================================
train.py FAILED
------------------------------------------------------------
Root Cause (first observed failure):
"""
KERAS = """Traceback (most recent call last):
  File "train.py", line 9, in <module>
    model(x)
ValueError: Exception encountered when calling Sequential.call().

\x1b[1mInput 0 of layer "dense" is incompatible with the layer: expected axis -1 of input to have
value 8, but received input with shape (4, 16)\x1b[0m

Arguments received by Sequential.call():
  • inputs=tf.Tensor(shape=(4, 16), dtype=float32)
"""
GRAPH = """Traceback (most recent call last):
  File "train.py", line 9, in <module>
    model.fit(x)
tensorflow.python.framework.errors_impl.InvalidArgumentError: Graph execution error:

Detected at node 'MatMul' defined at (most recent call last):
    File "train.py", line 9, in <module>
      model.fit(x)
Matrix size-incompatible: In[0]: [32,10], In[1]: [8,1]
\t [[{{node MatMul}}]] [Op:__inference_step_12]
"""


def ranked(rank: int, text: str) -> str:
    return "".join(f"[rank{rank}]: {line}\n" for line in text.split("\n"))


def mixed(*texts: str) -> str:
    """Lines of several ranks, as one pipe has them."""
    lines = [text.splitlines(keepends=True) for text in texts]
    most = max(map(len, lines))
    return "".join(each[at] for at in range(most) for each in lines if at < len(each))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("fine\n", ""),
        (f"before\n{ONE}\n\nafter\n", ONE),
        (f"Traceback (most recent call last):\nKeyError: 1\n\n{ONE}\n", ONE),
        (ranked(1, ONE), ONE),
        (f"{ONE}\nsecond line of the message\n\nlater", f"{ONE}\nsecond line of the message"),
        (ONE.replace("\n", "\r\n"), ONE),
        (f"{ONE}\n\n{FULL}\n{LINK}{ONE}\n", f"{FULL}\n{LINK}{ONE}"),
        (f"{FULL}\n\nother words\n{LINK}{ONE}\n", ONE),
        (f"{ONE}\n{LAUNCHER}", ONE),
        (mixed(ranked(0, PEER), ranked(1, ONE)) + LAUNCHER, ONE),
        (mixed(ranked(0, PEER), ranked(1, PEER)) + LAUNCHER, PEER),
        (LAUNCHER, LAUNCHER.rstrip()),
        (KERAS + "\n" * 30, KERAS.rstrip().replace("\x1b[1m", "").replace("\x1b[0m", "")),
        (f"RuntimeError: Caught ValueError in worker 0.\nOriginal {ONE}\n", ONE),
    ],
)
def test_the_traceback_that_says_why_is_found(text: str, found: str) -> None:
    """The newest with what led to it, not a launcher's, without what torch and terminals add."""
    assert found == last_traceback(text)


def test_a_huge_traceback_keeps_its_end() -> None:
    """The end of a traceback says what happened."""
    frames = "".join(f'  File "a.py", line {n}\n' for n in range(5000))
    found = last_traceback(f"Traceback (most recent call last):\n{frames}RecursionError: deep\n")

    assert len(found) < 9000
    assert found.endswith("RecursionError: deep")


@pytest.mark.parametrize(
    ("traceback", "line"),
    [
        ("", ""),
        (ONE, "ValueError: boom"),
        (f"{FULL}\n{LINK}{ONE}", "OSError: [Errno 28] No space left on device"),
        (f"{ONE}\n{LINK}{PEER}", "RuntimeError: Connection closed by peer [127.0.0.1]:4471"),
        (
            GRAPH,
            "tensorflow.python.framework.errors_impl.InvalidArgumentError: Graph execution error: "
            "Matrix size-incompatible: In[0]: [32,10], In[1]: [8,1]",
        ),
    ],
)
def test_what_happened_in_one_line(traceback: str, line: str) -> None:
    """The exception that says most; TensorFlow's message begins behind an empty line."""
    assert line == exception_of(last_traceback(traceback))


def test_a_traced_function_says_what_is_wrong() -> None:
    """TensorFlow puts the error of a traced function, indented, below where it is."""
    message = (
        "ValueError: in user code:\n\n"
        '    File "train.py", line 4, in f  *\n        return tf.matmul(x, y)\n\n'
        "    ValueError: Dimensions must be equal, but are 10 and 8.\n"
    )
    found = exception_of(last_traceback(ONE.replace("ValueError: boom", message)))

    assert "ValueError: Dimensions must be equal, but are 10 and 8" == found


def test_keras_says_what_does_not_fit() -> None:
    """The line that names the shapes, not the one that only says where."""
    assert "Input 0 of layer" in exception_of(last_traceback(KERAS))


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (
            "import no_such_module_here",
            "ModuleNotFoundError: No module named 'no_such_module_here'",
        ),
        ("def f(:\n    pass", "SyntaxError: invalid syntax"),
        (
            "try:\n    open('/dev/full', 'w', 1).write('x\\n')\n"
            "except OSError:\n    raise RuntimeError('enforce fail at inline_container.cc:603')",
            "OSError: [Errno 28] No space left on device",
        ),
        (
            "import concurrent.futures as c\n"
            "if __name__ == '__main__':\n"
            "    with c.ProcessPoolExecutor(1) as pool:\n"
            "        pool.submit(int, 'x').result()",
            "ValueError: invalid literal for int() with base 10: 'x'",
        ),
        (
            "import subprocess, sys\n"
            "subprocess.run([sys.executable, '-c', 'import no_such'], check=True)",
            "ModuleNotFoundError: No module named 'no_such'",
        ),
    ],
)
def test_what_real_programs_say(tmp_path: Path, source: str, line: str) -> None:
    """As this Python writes it: the cause, not what came of it."""
    (tmp_path / "train.py").write_text(source)
    program = [sys.executable, "train.py"]
    said = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert 1 == said.returncode
    assert line == exception_of(last_traceback(said.stderr))


@pytest.mark.parametrize(
    ("message", "collateral"),
    [
        ("RuntimeError: Connection closed by peer [127.0.0.1]:4471", True),
        (
            "torch.distributed.DistBackendError: NCCL error in: x\nncclRemoteError: gone",
            True,
        ),
        ("RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x16 and 8x1)", False),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB", False),
        ("BrokenPipeError: [Errno 32] Broken pipe", True),
    ],
)
def test_who_was_only_left_alone(message: str, collateral: bool) -> None:
    """An error about a peer is not the cause; every other is."""
    assert collateral == is_collateral(ONE.replace("ValueError: boom", message))


def test_what_a_model_server_refuses() -> None:
    """Its last such line is the reason, in one line and without what stands before it."""
    log = (
        "2026-11-30 09:00:00,001 ERROR the model cannot be served: first.\n"
        "2026-11-30 09:00:01,002 INFO something else\n"
        "2026-11-30 09:00:02,003 ERROR the model cannot be served: it is damaged. Use another.\n"
    )

    assert "the model cannot be served: it is damaged. Use another" == refusal(log)
    assert "" == refusal("the model cannot be served: said by the model itself\n")
