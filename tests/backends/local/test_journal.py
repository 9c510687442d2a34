"""The journal of a lab that has many jobs."""

from __future__ import annotations

import json
import tracemalloc

from dllab_hub.backends.local.journal import Journal


def test_a_long_journal_is_not_held(tmp_path):
    """What was deleted is taken out of it piece by piece, and nothing else is."""
    journal = Journal(tmp_path / "journal.jsonl")
    code = "x" * 10_000
    jobs = [{"id": f"digits-{n:07d}", "owner": "ada", "spec": {"code": code}} for n in range(2000)]
    journal.append(*({"op": "submit", "job": job} for job in jobs))
    gone = {"op": "delete", "id": "digits-0000007", "owner": "ada", "ended": 1, "gpu_seconds": 2}
    journal.append(gone, {"op": "note", "id": "digits-0000008", "notes": 'an "id"'})
    tracemalloc.start()
    journal.erase({"digits-0000007"})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    lines = (tmp_path / "journal.jsonl").read_bytes().splitlines()

    assert most < 2_000_000
    assert 2001 == len(lines)
    assert gone in map(json.loads, lines)
    assert b"digits-0000007" not in b"".join(lines[:-2])
