"""eval compare: two reports side by side."""

from __future__ import annotations

from nacre.cli.evaluation.reports import OutOption, ReportFile, judged
from nacre.cli.output import JsonFlag, print_json


def compare(before: ReportFile, after: ReportFile, as_json: JsonFlag = False, out: OutOption = None) -> int:
    """Compare two reports; exit 1 on a significant loss."""
    from nacre.eval import gate
    from nacre.eval.report import read_report

    old, new = read_report(before), read_report(after)
    changes = gate.compare(old, new)
    status = judged(old, new, changes, out=out, quiet=as_json)
    if as_json:
        same = gate.same_corpus(old, new)
        differs = gate.what_changed(old, new)
        print_json({"changes": changes, "same_corpus": same, "what_changed": differs, "passed": status == 0})
    return status
