"""`rule_file`: the table of rules as Prometheus reads it.

``config/prometheus/alerts.yaml`` is what this makes of the defaults; ``dllab alerts rules`` prints
what it makes of an administrator's own thresholds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from .rules import Kind, Rule, Unit
from .timely import seconds

__all__ = ("rule_file",)

_HEAD = """\
# Alerts for Prometheus. Written by `dllab alerts rules`: change thresholds in catalog.toml, in
# [alerts], and write it anew. The lab service itself tells people of the same by the same rules.
groups:
  - name: dllab
    rules:
"""
_SUBJECT: Mapping[Kind, str] = {
    "gpu": "GPU {{ $labels.gpu }}{{ with $labels.node }} of {{ . }}{{ end }}",
    "job": "Job {{ $labels.job_id }}",
    "deployment": "Deployment {{ $labels.endpoint }}",
    "service": "The lab service",
}
_VALUE: Mapping[Unit, str] = {
    "": "{{ $value | humanize }}",
    "celsius": '{{ $value | printf "%.0f" }} °C',
    "ratio": "{{ $value | humanizePercentage }}",
    "seconds": "{{ $value | humanizeDuration }}",
}
#: Sections of the administrator's guide are named for the rules. A path within the project: where a
#: copy of it can be read, nobody knows here.
_BOOK = "config/README.md#"


def rule_file(rules: Iterable[Rule]) -> str:
    """YAML of a rule file; rules that are off are left out."""
    return _HEAD + "\n".join(_rule(rule) for rule in rules if not rule.off)


def _rule(rule: Rule) -> str:
    lines = [
        f"      - alert: {rule.name}",
        f"        expr: {_quoted(rule.condition.promql)}",
        *([f"        for: {seconds(rule.hold)}"] if rule.hold else []),
        "        labels:",
        f"          severity: {rule.severity}",
        "        annotations:",
        f"          summary: {_quoted(rule.summary)}",
        f"          description: {_quoted(f'{_described(rule)} {rule.hint}')}",
        f"          runbook_url: {_BOOK}{rule.name.lower()}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _described(rule: Rule) -> str:
    """The message of a rule, with Prometheus' words for what is only known when it fires."""
    return rule.message.format(
        subject=_SUBJECT[rule.kind],
        value=_VALUE[rule.unit],
        xid="{{ $labels.xid }}",
        about="",
        version="{{ $labels.version }}",
    )


def _quoted(text: str) -> str:
    """As YAML; in the marks of which it has none itself, where that can be."""
    return f"'{text}'" if '"' in text and "'" not in text else json.dumps(text, ensure_ascii=False)
