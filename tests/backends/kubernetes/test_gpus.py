"""What is said of a cluster's GPUs while the Prometheus that measures them misbehaves."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from certificates import self_signed
from scripted_prometheus import Act, Source, a_source, sends, told

from dllab_hub.backends.kubernetes import prometheus as asking
from dllab_hub.backends.kubernetes.gpu_settings import GpuMetrics, gpu_metrics_of
from dllab_hub.metrics.sampler import Sampler
from dllab_hub.server.pacing import NO_GPUS
from dllab_hub.specs import GpuState
from dllab_hub.state import StateDir


@pytest.fixture
def source() -> Iterator[Source]:
    """A Prometheus that does as it is told, and who asks it."""
    with a_source() as made:
        yield made


def test_no_prometheus_is_named(source: Source) -> None:
    """It is said that nobody measures and what an administrator does; nothing is asked."""
    source.settings = None
    report = source.gpus.read()

    assert GpuState.NO_GPU is report.state
    assert report.state in NO_GPUS
    assert "measured nowhere" in report.message
    assert "config/README.md" in report.hint
    assert [] == source.asked


def test_one_question_for_everybody(source: Source) -> None:
    """However often it is read, there is one question in so many seconds, and one report."""
    first = source.read()
    again = [source.gpus.read() for _ in range(100)]

    assert GpuState.OK is first.state
    assert all(report is first for report in again)
    assert 1 == len(source.asked)
    source.read()
    assert 2 == len(source.asked)


async def test_a_sampler_reads_it(source: Source) -> None:
    """Whoever watches gets reports, and the questions end when nobody does."""
    source.gpus._clock = time.monotonic
    sampler = Sampler(source.gpus.read, interval=1, linger=1, silent=source.gpus.silent)
    try:
        assert 0.5 == (await sampler.report()).gpus[0].utilization
        async with aclosing(sampler.follow()) as reports:
            while len(source.asked) < 2:
                assert GpuState.OK is (await anext(reports)).state
        time.sleep(2.2)
        asked = len(source.asked)
        time.sleep(1.5)
        assert asked == len(source.asked)
    finally:
        sampler.close()


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (sends(b"", 401), "does not let the lab service in"),
        (sends(b"", 403), "does not let the lab service in"),
        (sends(b'{"status": "error"}', 422), "answers with status 422"),
        (sends(b"", 302, Location="http://127.0.0.1:1/"), "answers with status 302"),
        (sends(b"<html>secret</html>"), "answers something that is not understood"),
        (sends(b'{"status": "error"}'), "refuses the question"),
        (sends(told(), **{"Content-Encoding": "gzip"}), "cannot be reached"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "cannot be reached"),
        (lambda handler: handler.connection.close(), "cannot be reached"),
    ],
)
def test_an_answer_that_is_none(
    source: Source, act: Act, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is wrong is said to people without the address, and once to the log with it; the last
    values stay for a while, and it heals by itself.
    """
    source.act = act
    with caplog.at_level(logging.ERROR):
        first = source.read()
        source.read()
    lines = [record.getMessage() for record in caplog.records]
    source.act = sends(told())
    good = source.read()
    source.act = act
    stale, gone = source.read(), source.read(700)

    assert (GpuState.FAILED, ()) == (first.state, first.gpus)
    assert f"The Prometheus that measures the GPUs {said}." == first.message
    assert (1, True) == (len(lines), "/prom/api/v1/query" in lines[0] and said in lines[0])
    assert (GpuState.OK, "") == (good.state, good.message)
    assert (GpuState.STALE, good.gpus) == (stale.state, stale.gpus)
    assert f"The Prometheus that measures the GPUs {said}; these are its last values." == (
        stale.message
    )
    assert (GpuState.FAILED, ()) == (gone.state, gone.gpus)
    for report in (first, stale, gone):
        assert "127.0.0.1" not in report.message + report.hint
        assert "secret" not in report.message


def test_a_prometheus_that_hangs(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a second for it, and it is said within its time."""
    monkeypatch.setattr(asking, "_STEP", 1.5)
    free = threading.Event()
    source.act = lambda handler: free.wait(20) and None
    source.now = 1.0
    began = time.monotonic()
    first = source.gpus.read()
    waited = time.monotonic() - began
    assert source.gpus._idle.wait(10)
    said, took = source.gpus.read(), time.monotonic() - began
    free.set()

    assert waited < 1
    assert took < 3
    assert (GpuState.STALE, "not answered yet" in first.message) == (first.state, True)
    assert "does not answer in time" in said.message


def test_an_answer_without_an_end(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither drops that come for ever nor a flood are waited for or kept."""
    monkeypatch.setattr(asking, "_PATIENCE", 0.5)
    monkeypatch.setattr(asking, "_LARGEST", 1 << 20)

    def pours(chunk: bytes, pause: float) -> Act:
        def act(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            for _ in range(500):
                handler.wfile.write(chunk)
                time.sleep(pause)

        return act

    source.act = pours(b" " * (1 << 16), 0.02)
    began = time.monotonic()
    slow = source.read()
    took = time.monotonic() - began
    source.act = pours(b" " * (1 << 20), 0)
    flood = source.read()

    assert "takes too long" in slow.message or "more than can be read" in slow.message
    assert took < 3
    assert "more than can be read" in flood.message


def test_values_that_are_old(source: Source) -> None:
    """After a minute without new ones it is said how old they are; after ten there are none."""
    source.act = sends(told(ago=59))
    young = source.read()
    source.act = sends(told(ago=70))
    old = source.read()
    source.act = sends(told(ago=700))
    gone = source.read()

    assert (GpuState.OK, 1) == (young.state, len(young.gpus))
    assert (GpuState.STALE, 1) == (old.state, len(old.gpus))
    assert "The newest values of the GPUs are 70 seconds old." == old.message
    assert (GpuState.FAILED, 0) == (gone.state, len(gone.gpus))


def test_clocks_that_differ(source: Source) -> None:
    """How old a value is, is by the clock of the Prometheus and not by ours."""
    date = "Mon, 30 Nov 2026 12:00:00 GMT"
    body = json.loads(told())
    body["data"]["result"][0]["values"] = [[1796040000 - 5, "50"]]
    plain = sends(json.dumps(body).encode())

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.date_time_string = lambda timestamp=None: date  # type: ignore[method-assign]
        plain(handler)

    source.act = act

    assert GpuState.OK is source.read().state


def test_no_series(source: Source) -> None:
    """A Prometheus that knows no GPU of this cluster says what lacks, and is no fault."""
    source.act = sends(told(node="elsewhere"))
    report = source.read()

    assert (GpuState.NO_GPU, ()) == (report.state, report.gpus)
    assert "NODE_NAME" in report.hint


def test_a_token(source: Source, tmp_path: Path) -> None:
    """It is read anew for each question and goes nowhere else; without one it is said so."""
    file = tmp_path / "token"
    assert source.settings is not None
    source.settings = source.settings.model_copy(update={"token_file": str(file)})
    missing = source.read()
    file.write_text("one\n")
    source.read()
    file.write_text("two\n")
    source.read()
    file.write_text("a b\n")
    bad = source.read()

    assert "wants a token whose file cannot be read" in missing.message
    assert ["Bearer one", "Bearer two"] == [each["Authorization"] for each in source.asked]
    assert str(tmp_path) not in missing.message + missing.hint
    assert GpuState.STALE is bad.state


def test_another_prometheus(source: Source) -> None:
    """With other settings nothing of the first one is left, and it is asked at once."""
    source.read()
    assert source.settings is not None
    source.settings = source.settings.model_copy(update={"labels": {"job": "dcgm"}})
    source.act = sends(b"", 500)
    source.gpus.read()
    source.gpus._idle.wait(10)

    assert (2, GpuState.FAILED) == (len(source.asked), source.gpus.read().state)


def test_settings_that_are_wrong(source: Source, tmp_path: Path) -> None:
    """They are a sentence for whoever looks, and repeat nothing of what is in them."""
    (tmp_path / "catalog.toml").write_text('[gpu_metrics]\nurl = "ftp://secret/"\n')
    source.gpus._settings = lambda: gpu_metrics_of(StateDir(tmp_path, tmp_path))
    report = source.gpus.read()

    assert GpuState.FAILED is report.state
    assert "gpu_metrics.url" in report.message
    assert "secret" not in report.message + report.hint


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_a_certificate(tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Prometheus that nobody vouches for gets no question and no token; a trusted one does."""
    tls, certificate = self_signed(tmp_path, "127.0.0.1")
    (tmp_path / "token").write_text("secret\n")
    with a_source(tls) as source:
        assert source.settings is not None
        url = source.settings.url.replace("http", scheme, 1)
        source.settings = GpuMetrics(url=url, token_file=str(tmp_path / "token"), every=1)
        stranger, asked = source.read(), len(source.asked)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        friend = source.read()

    assert (GpuState.FAILED, 0) == (stranger.state, asked)
    assert "cannot be reached" in stranger.message
    assert (GpuState.OK, "Bearer secret") == (friend.state, source.asked[0]["Authorization"])
