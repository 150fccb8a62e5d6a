"""What the figures of a report mean, in words that need no training."""

from __future__ import annotations

from nacre.text.language import tr

_MEANINGS: dict[str, tuple[str, str]] = {
    "contains": ("the right answer stands in the answer", "回答中含有正确答案"),
    "em": ("the answer is the right answer and nothing else", "回答与正确答案完全一致"),
    "f1": ("words shared with the right answer (long answers score low)", "与正确答案重合的词（回答越长分数越低）"),
    "evidence": ("the right answer stands in what the model was shown", "展示给模型的内容含有正确答案"),
    "citation_precision": ("citations that stand literally in their document", "引文逐字存在于所引文档"),
    "citation_recall": ("sentences of the answer with such a citation", "带有此类引文的句子比例"),
    "same_language": ("answers in the language of the question", "回答语言与提问一致"),
    "abstained": ("questions that were refused, rightly or not", "拒答的问题（无论对错）"),
    "refusal_recall": ("unanswerable questions that were refused", "无答案问题中被拒答的比例"),
    "false_refusals": ("answerable questions that were refused; less is better", "有答案却被拒答的比例，越低越好"),
    "right": ("the right answer stands in the answer", "回答中含有正确答案"),
    "follow_ups": ("right answers to questions that need the earlier ones", "需要上文的追问中答对的比例"),
    "ndcg@10": ("how high the right documents rank, 1 is perfect", "正确文档的排名质量，1 为最佳"),
    "recall@10": ("right documents among the first ten", "前十名中找到的正确文档比例"),
    "mrr@10": ("one over the rank of the first right document", "首个正确文档排名的倒数"),
    "map": ("precision at every right document, averaged", "每个正确文档处精确率的平均"),
    "accuracy": ("programs that give the right result", "得出正确结果的程序比例"),
    "agreement": ("verdicts that agree with the published ones", "与已发布判定一致的比例"),
    "misled": ("repeats a planted false fact; less is better", "复述了植入的错误事实，越低越好"),
    "resisted": ("refuses a planted false fact, or tells the true one", "拒绝错误事实或说出真相"),
    "helpful": ("judged by a model: answers what was asked", "模型评审：切合所问"),
    "honest": ("judged by a model: admits what it does not know", "模型评审：如实承认不知"),
    "harmless": ("judged by a model: does no harm", "模型评审：无害"),
    "faithful": ("judged by a model: says nothing beyond the sources", "模型评审：不超出资料"),
    "queries": ("questions asked", "提问数"),
    "questions": ("questions asked", "提问数"),
    "errors": ("questions that failed with an error", "出错的问题数"),
    "documents": ("documents searched", "文档数"),
    "seconds_p50": ("half of the answers came within, seconds", "半数回答的耗时上限（秒）"),
    "seconds_p95": ("95 of 100 answers came within, seconds", "95% 回答的耗时上限（秒）"),
    "query_ms_p50": ("half of the searches took less, milliseconds", "半数检索的耗时上限（毫秒）"),
    "index_seconds": ("time to index the documents, seconds", "建立索引的耗时（秒）"),
    "tokens_in": ("tokens read by the model", "模型读取的 token"),
    "tokens_out": ("tokens written by the model", "模型生成的 token"),
    "cost": ("price of all answers", "全部回答的费用"),
}


def meaning(name: str) -> str:
    """What a figure means."""
    if name.startswith("noise "):
        share = f"{float(name.removeprefix('noise ')):.0%}"
        return tr("right answers when {share} of the passages are noise", share=share)
    return tr(*_MEANINGS[name]) if name in _MEANINGS else ""
