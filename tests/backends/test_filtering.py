"""What the words of a search are looked for in."""

from __future__ import annotations

import pytest

from dllab_hub.backends.filtering import is_wanted
from dllab_hub.specs import Cause, Code, Diagnosis, JobFilter, JobState, TrainingJob


@pytest.mark.parametrize("text", ["out of MEMORY", "warmup_cosine", "digits failed"])
def test_what_a_person_remembers(make_spec, text):
    """A job is found by the cause of its end, and by the code of marked cells."""
    files = {"cell.py": "rate = warmup_cosine(0.1)"}
    code = Code(source="import runpy", filename="a-with-shared.py", files=files)
    job = TrainingJob(
        id="digits-bcdfghj",
        owner="ada",
        spec=make_spec().model_copy(update={"code": code}),
        state=JobState.FAILED,
        reason="worker-0 failed.",
        created=1.0,
        diagnosis=Diagnosis(
            cause=Cause.OUT_OF_MEMORY, message="likely out of memory: peak 23 GiB."
        ),
    )

    assert is_wanted(job, JobFilter(text=text))
    assert not is_wanted(job, JobFilter(text=f"{text} nothing"))
