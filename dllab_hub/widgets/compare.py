"""`CompareView`: jobs beside each other."""

from __future__ import annotations

from typing import Any

from ..specs import CodeDiff, Comparison
from ..tables import comparison_text, cut
from .chart import Line, charts, lines_of
from .markup import heading, note, pre, table

__all__ = ("CompareView",)

_VALUE = 80
#: For who does not see the colour.
_SIGNS = {"changed": "≠", "removed": "-", "added": "+"}
#: Lines of one file.
_LINES = 200


class CompareView:
    """What differs, and the metrics in one chart each; text where nothing shows HTML. It does not
    change: jobs that are compared have been.

    Args:
        comparison: What was asked for.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def __repr__(self) -> str:
        return comparison_text(self.comparison)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        seen = self.comparison
        ids = [job.id for job in seen.jobs]
        parts = [heading(" / ".join(ids))]
        metrics: dict[str, list[Line]] = {}
        for job, curves in zip(seen.jobs, seen.curves, strict=False):
            for name, lines in lines_of(curves.curves, job.id).items():
                metrics.setdefault(name, []).extend(lines[:1])
        # What only one of them has is not compared.
        shared = {name: lines for name, lines in metrics.items() if len(lines) > 1}
        parts.append(charts(shared or metrics, legend=True))
        if seen.differences:
            rows = [
                [
                    each.part,
                    each.field,
                    *(cut("–" if v is None else v, _VALUE) for v in each.values),
                ]
                for each in seen.differences
            ]
            parts.append(table(("", "", *ids), rows))
        parts += [self._code(diff, ids[0]) for diff in seen.code]
        if not seen.differences and not seen.code:
            parts.append(note("Wish, environment, result and code are the same."))
        return {"text/plain": repr(self), "text/html": "".join(parts)}

    def _code(self, diff: CodeDiff, first: str) -> str:
        if diff.binary:
            return note(f"{diff.path} of {diff.job} differs from that of {first}.")
        rows = []
        for line in diff.lines[:_LINES]:
            if line.kind == "skipped":
                rows.append(("", "", f"{line.before} lines are the same", "", ""))
                continue
            left = f"{line.left or ''}"
            right = f"{line.right or ''}"
            differs = line.kind != "same"
            texts = [pre(text, marked=differs and bool(text)) for text in (line.before, line.after)]
            rows.append((_SIGNS.get(line.kind, ""), left, texts[0], right, texts[1]))
        more = diff.more + max(len(diff.lines) - _LINES, 0)
        head = ("", "", f"{diff.path} of {first}", "", f"of {diff.job}")
        return table(head, rows) + (note(f"{more} more lines") if more else "")
