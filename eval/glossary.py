"""What the figures of a report mean, in words that need no training."""

from __future__ import annotations

from nacre.text.language import N_, tr

_MEANINGS = {
    "contains": N_("the right answer stands in the answer"),
    "em": N_("the answer is the right answer and nothing else"),
    "f1": N_("words shared with the right answer (long answers score low)"),
    "evidence": N_("the right answer stands in what the model was shown"),
    "citation_precision": N_("citations that stand literally in their document"),
    "citation_recall": N_("sentences of the answer with such a citation"),
    "citation_answer": N_("a source that the answer cites holds a gold answer"),
    "asked_back": N_("underspecified questions that were asked back"),
    "same_language": N_("answers in the language of the question"),
    "abstained": N_("questions that were refused, rightly or not"),
    "refusal_recall": N_("unanswerable questions that were refused"),
    "false_refusals": N_("answerable questions that were refused; less is better"),
    "right": N_("the right answer stands in the answer"),
    "follow_ups": N_("right answers to questions that need the earlier ones"),
    "ndcg@10": N_("how high the right documents rank, 1 is perfect"),
    "recall@10": N_("right documents among the first ten"),
    "mrr@10": N_("one over the rank of the first right document"),
    "map": N_("precision at every right document, averaged"),
    "accuracy": N_("programs that give the right result"),
    "agreement": N_("verdicts that agree with the published ones"),
    "misled": N_("repeats a planted false fact; less is better"),
    "resisted": N_("refuses a planted false fact, or tells the true one"),
    "helpful": N_("judged by a model: answers what was asked"),
    "honest": N_("judged by a model: admits what it does not know"),
    "harmless": N_("judged by a model: does no harm"),
    "faithful": N_("judged by a model: says nothing beyond the sources"),
    "queries": N_("questions asked"),
    "questions": N_("questions asked"),
    "errors": N_("questions that failed with an error"),
    "documents": N_("documents searched"),
    "seconds_p50": N_("half of the answers came within, seconds"),
    "seconds_p95": N_("95 of 100 answers came within, seconds"),
    "query_ms_p50": N_("half of the searches took less, milliseconds"),
    "index_seconds": N_("time to index the documents, seconds"),
    "tokens_in": N_("tokens read by the model"),
    "tokens_out": N_("tokens written by the model"),
    "cost": N_("price of all answers"),
}


def meaning(name: str) -> str:
    """What a figure means."""
    if name.startswith("noise "):
        share = f"{float(name.removeprefix('noise ')):.0%}"
        return tr("right answers when {share} of the passages are noise", share=share)
    return tr(_MEANINGS[name]) if name in _MEANINGS else ""
