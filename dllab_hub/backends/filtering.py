"""`is_wanted`: whether a job is one that a filter asks for. The rule for every backend's lists."""

from __future__ import annotations

from ..specs import JobFilter, TrainingJob

__all__ = ("is_wanted", "search_text", "words_of")

#: Characters of the code that are looked through.
_CODE = 8192


def is_wanted(job: TrainingJob, where: JobFilter) -> bool:
    """Whether the job is one that the filter asks for."""
    return (
        (not where.states or job.state in where.states)
        and where.name in (None, job.spec.name)
        and where.image in (None, job.spec.image)
        and (where.tag is None or where.tag in job.tags)
        and (where.since is None or job.created >= where.since)
        and (where.until is None or job.created < where.until)
        and (job.favourite or not where.favourite)
        and _has(job, words_of(where))
    )


def words_of(where: JobFilter) -> list[str]:
    """What has to be in a job's `search_text`."""
    return where.text.casefold().split()


def search_text(job: TrainingJob) -> str:
    """What the words of a search are looked for in."""
    code, cause = job.spec.code, job.diagnosis
    # Of marked cells the source is what runs them, and the files are what the person wrote.
    written = code.source[:_CODE], "\n".join(code.files.values())[:_CODE]
    parts = (
        *(job.id, *job.tags, job.notes, job.reason, cause.message if cause else ""),
        *(job.spec.image, job.spec.strategy, code.module, *code.args, code.filename, *written),
    )
    return "\n".join(parts).casefold()


def _has(job: TrainingJob, words: list[str]) -> bool:
    if not words:
        return True
    text = search_text(job)
    return all(word in text for word in words)
