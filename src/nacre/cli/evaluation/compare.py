"""eval compare: two reports side by side."""

from __future__ import annotations

from nacre.cli.evaluation.reports import AllowMissing, Anchors, Asked, Least, Most, OutOption, ReportFile, judged
from nacre.cli.output import JsonFlag, print_json


def compare(
    before: ReportFile,
    after: ReportFile,
    as_json: JsonFlag = False,
    out: OutOption = None,
    anchor: Anchors = None,
    allow_missing: AllowMissing = False,
    least: Least = None,
    most: Most = None,
) -> int:
    """Compare two reports; exit 1 on a significant loss."""
    from nacre.eval import gate
    from nacre.eval.report import read_report
    from nacre.eval.verdict import gated

    options = {"gate": before, "anchor": anchor, "allow_missing": allow_missing, "least": least, "most": most}
    asked = Asked.read({**options, "max_failed": 1.0})
    old, new = asked.before or {}, read_report(after)
    verdict = gated(new, old, anchors=asked.anchors, rules=asked.rules)
    status = judged(old, new, verdict, out=out, quiet=as_json)
    if as_json:
        same = gate.same_corpus(old, new)
        print_json({**verdict.data(), "same_corpus": same, "what_changed": gate.what_changed(old, new)})
    return status
