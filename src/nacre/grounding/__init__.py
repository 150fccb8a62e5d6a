"""Whether passages support an answer, judged by their words alone: no model, no weights file.

`evidence` ranks sentences, `answerability` decides when to refuse, `expectation` knows what a question asks for.
"""

from __future__ import annotations

from nacre.grounding.ranking import WEIGHTS, Evidence, Question, analyse, evidence, support

__all__ = ["WEIGHTS", "Evidence", "Question", "analyse", "evidence", "support"]
