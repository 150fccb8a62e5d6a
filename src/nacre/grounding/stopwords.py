"""Words that carry no topic, as index terms: function words, and the words that make a question a question."""

from __future__ import annotations

import functools

from nacre.text.words import words

_ENGLISH = (
    "a an the of to in on at by for with from as is are was were be been being do does did done has have had having it its this that"
    " these those there here he she they them their his her him i you we us our your my me and or but if then than so not no nor can"
    " could will would shall should may might must about into over after before between during through per via also very just only such"
    " same other any some each both more most own who whom whose which what when where why how many much long often kind type please"
    " tell give name according call called known find happen"
)
_CHINESE = (
    "的 了 是 在 和 与 或 及 等 也 都 就 还 又 而 并 且 但 但是 因为 所以 如果 把 被 将 对 对于 于 从 到 由 向 以 为 之 其 该 此 这 那 这个 那个"
    " 这些 那些 有 没有 不 很 最 个 一个 一种 上 中 下 里 后 前 时 吗 呢 吧 啊 请 问 请问 什么 谁 哪 哪个 哪些 哪里 哪儿 哪位 哪一 何 何时 何地 何处"
    " 几 多少 怎么 怎样 如何 为何 为什么 多久 多长 多大 多高 多远 多重 多宽 多深 多厚 多快 是否 可以 能 能够 会 要 需要 应 应该 他 她 它 他们 她们 它们 我 你 我们 你们 您"
    " 主要 分别 具体 包括 称为 叫做 叫 名字 指 哪年 年 月 日 哪一年 什么样 名 位 人"
    " 多 时间 长时间 多长时间 时候 什么时候 几天 几次 几月 几号 几点 几楼 哪一天 哪天 哪家 哪国 哪年 多少钱 多少度 多少次 多少天 多少人"
)


@functools.cache
def stopwords() -> frozenset[str]:
    """The stop words of both languages."""
    return frozenset(words(_ENGLISH)) | frozenset(_CHINESE.split())
