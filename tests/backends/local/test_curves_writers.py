"""Event files as PyTorch and TensorFlow themselves write them."""

from __future__ import annotations

import subprocess
import textwrap
import time

import pytest
from event_files import reader

from dllab_hub import images
from dllab_hub.state import StateDir

TORCH = textwrap.dedent("""
    import sys, numpy
    from torch.utils.tensorboard import SummaryWriter
    with SummaryWriter(sys.argv[1]) as writer:
        for step in range(50):
            writer.add_scalar("loss", 1 / (step + 1), step)
            writer.add_scalar("new", step / 2, step, new_style=True)
            writer.add_scalar("double", step / 4, step, double_precision=True)
            writer.add_scalars("both", {"a": step, "b": 2 * step}, step)
            writer.add_histogram("weights", numpy.random.rand(1000), step)
            writer.add_image("picture", numpy.random.rand(3, 256, 256), step)
            writer.add_text("text", "hello", step)
        writer.add_hparams({"lr": 0.1}, {"accuracy": 0.9}, run_name="hparams")
    with SummaryWriter(sys.argv[1], purge_step=40, filename_suffix="z") as writer:
        for step in range(40, 45):
            writer.add_scalar("loss", 9.0, step)
""")
KERAS = textwrap.dedent("""
    import sys
    import numpy, tensorflow as tf
    model = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = numpy.random.rand(64, 4), numpy.random.rand(64, 1)
    board = tf.keras.callbacks.TensorBoard(sys.argv[1], histogram_freq=1, update_freq=2)
    model.fit(x, y, epochs=3, batch_size=8, validation_data=(x, y), callbacks=[board], verbose=0)
    with tf.summary.create_file_writer(sys.argv[1] + "/own").as_default():
        for step in range(5):
            tf.summary.scalar("half", tf.constant(step / 2, tf.bfloat16), step)
            tf.summary.histogram("h", [1.0, 2.0], step)
""")


@pytest.fixture
def curves(tmp_path):
    """What a program of an image's Python has written."""

    def read(image: str, source: str) -> dict[str, tuple[list[int], list[float]]]:
        envs = [env for env in images.find(StateDir.default()) if env.ready]
        pythons = [env.python for env in envs if env.image.name == image]
        if not pythons:
            pytest.fail(f"The environment of {image} must be built; `make test` builds it.")
        subprocess.run([pythons[0], "-c", source, tmp_path], check=True, capture_output=True)
        events = reader(tmp_path)
        while not events.read(time.monotonic() + 0.05):
            pass
        assert () == events.notes
        return {
            f"{run}/{tag}" if run else tag: (list(points.steps), list(points.values))
            for run, tag, points in events.snapshots()
        }

    return read


def test_torch(curves):
    """Scalars of every style, beside what is no scalar; what a writer purges is replaced."""
    found = curves("pytorch", TORCH)

    steps = list(range(50))
    assert (steps[:40], [step / 4 for step in steps[:40]]) == found["double"]
    assert (steps[:40], [step / 2 for step in steps[:40]]) == found["new"]
    assert [9.0] * 5 == found["loss"][1][40:]
    assert steps[:45] == found["loss"][0]
    assert (steps, [2.0 * step for step in steps]) == found["both_b/both"]
    assert pytest.approx(0.9) == found["hparams/accuracy"][1][0]
    assert not {"weights", "picture", "text/text_summary"} & set(found)


@pytest.mark.long
def test_keras(curves):
    """What Keras writes by epoch and by batch, of training and validation; halves are numbers."""
    found = curves("tensorflow", KERAS)

    assert [0, 1, 2] == found["train/epoch_loss"][0] == found["validation/epoch_loss"][0]
    assert len(found["train/batch_loss"][0]) > 5
    assert ([0, 1, 2, 3, 4], [0.0, 0.5, 1.0, 1.5, 2.0]) == found["own/half"]
    assert "own/h" not in found
