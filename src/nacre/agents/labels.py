"""Where the labels of a ReAct reply stand: Thought, Action, Action Input, Observation, Final Answer, in both languages.

Everything is one linear scan: each line is tried once against an anchored pattern with bounded repeats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a label announces."""

    THOUGHT = "thought"
    ACTION = "action"
    INPUT = "input"
    OBSERVATION = "observation"
    ANSWER = "answer"
    QUESTION = "question"


# Strong labels mark a ReAct reply by themselves; weak ones are everyday words and count only beside strong ones.
_STRONG = {
    Kind.THOUGHT: "thought thoughts 思考 想法 思考过程 思考過程 思路 思維 思维 我的思考",
    Kind.ACTION: "action actions next_action tool_name action_name 行动 行動 动作 動作 执行动作 工具名称 工具名 调用工具 使用工具",
    Kind.INPUT: "action_input actions_input tool_input action_inputs action_arguments action_args action_parameters "
    "行动输入 行動輸入 动作输入 動作輸入 工具输入 工具輸入 行动参数 动作参数 工具参数 输入参数 行动的输入 动作的输入 行动内容",
    Kind.OBSERVATION: "observation observations tool_output tool_result tool_response action_output action_result "
    "观察 觀察 观察结果 觀察結果 观测 观测结果 观察值 工具输出 工具结果 工具返回 行动结果",
    Kind.ANSWER: "final_answer final_response 最终答案 最終答案 最终回答 最終回答 最后答案 最终结果 最终答复",
}
_WEAK = {
    Kind.THOUGHT: "thinking think reasoning reason plan 推理 分析 计划",
    Kind.ACTION: "act tool function call 工具 操作 函数 调用",
    Kind.INPUT: "input inputs arguments args parameters params query 输入 輸入 参数 參數",
    Kind.OBSERVATION: "obs result results response output 结果 返回 返回结果 输出",
    Kind.ANSWER: "answer 答案 回答 答",
    Kind.QUESTION: "question 问题 問題 user human 用户",
}


def _key(label: str) -> str:
    return re.sub(r"[\s_\-]", "", label).lower()


def _table(*sources: dict[Kind, str]) -> dict[str, Kind]:
    return {_key(word): kind for source in sources for kind, words in source.items() for word in words.split()}


STRONG = _table(_STRONG)
LABELS = _table(_WEAK, _STRONG)


def _alternatives(sources: tuple[dict[Kind, str], ...]) -> str:
    words = sorted(
        (word for source in sources for kind in source.values() for word in kind.split()), key=len, reverse=True
    )
    return "|".join(word.replace("_", r"[ _\-]{0,2}") for word in words)


_ANY = _alternatives((_STRONG, _WEAK))
_HARD = _alternatives((_STRONG,))
_SEPARATOR = r"(?:[:：﹕∶꞉]|->|=>|→|——?(?=\s))"
# "  > **3. Thought 2:** ", "### 思考", "【行动】", "第2步 行动："; `open` and `close` tell a label set apart by marks.
_LINE = re.compile(
    rf"""(?P<open>[ \t\u3000>*_\#`~•·\-\[【<（("'“「]{{0,12}})
    (?:(?:step|round|turn|步骤|步驟|第)[ ]?(?:\d{{1,4}}|[一二三四五六七八九十]{{1,3}})[ ]?[步轮]?[ ]?[:：.\-、)]?[ ]{{0,2}}[*_]{{0,3}})?
    (?:\(?\d{{1,4}}[.)、:：][ ]{{0,2}}[*_`\[【<]{{0,4}})?
    (?P<label>{_ANY})(?![A-Za-z])
    [ ]{{0,2}}(?:[\#(（]?(?:\d{{1,4}}|[一二三四五六七八九十]{{1,3}})[)）]?)?[ ]?
    (?P<close>[*_`\]】>"'”」)）]{{0,6}})[ \t]{{0,3}}(?:(?:是|为|is)[ ]?(?=[:：]))?
    (?P<sep>{_SEPARATOR})?""",
    re.IGNORECASE | re.VERBOSE,
)
# In the middle of a line only strong labels written as labels: "… found. Action: search", "……行动：搜索".
_INLINE = re.compile(
    rf"(?P<open>[*_]{{0,3}})(?P<label>{_HARD}|Answer|答案)(?![A-Za-z])[ ]?\d{{0,4}}[ ]?[*_]{{0,3}}[ ]?[:：]",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[ ]?([*_]{1,3}|`(?!`))")
_CALL_AHEAD = re.compile(r"[A-Za-z_][\w.\-]{0,60}[ ]?[\[(（【]")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Label:
    """A label in a text: its kind, whether it is a strong one, where it begins and where its body begins."""

    kind: Kind
    strong: bool
    start: int
    body: int


def line_labels(text: str) -> list[Label]:
    """Labels that stand at the beginning of a line, outside the code fences of inputs and answers.

    Args:
        text: a reply, without its reasoning block.

    Returns:
        The labels in order.
    """
    labels: list[Label] = []
    fences = [match.start() for match in _FENCE.finditer(text)]
    at, skip_to, next_fence = 0, 0, 0
    while at <= len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        while next_fence < len(fences) and fences[next_fence] < at:
            next_fence += 1
        if at >= skip_to:
            label = label_at(text, at, end)
            if label:
                labels.append(label)
            elif next_fence + 1 < len(fences) and fences[next_fence] == at and _holds_content(labels):
                skip_to = fences[next_fence + 1] + 3
            if label and next_fence < len(fences) and text.startswith(("```", "~~~"), label.body):
                skip_to = fences[next_fence] + 3  # the fence opens behind the label: "Action Input: ```json"
        at = end + 1
    return labels


def _holds_content(labels: list[Label]) -> bool:
    """A fence behind an input or an answer wraps content; one before them wraps the reply itself."""
    return bool(labels) and labels[-1].kind in (Kind.INPUT, Kind.ACTION, Kind.ANSWER)


def label_at(text: str, at: int, end: int) -> Label | None:
    """The label with which a line begins.

    Args:
        text: a reply.
        at: where the line begins.
        end: where it ends.

    Returns:
        The label, or None.
    """
    match = _LINE.match(text, at, end)
    if not match:
        return None
    key = _key(match["label"])
    again = _LINE.match(text, match.end(), end) if match["sep"] else None
    if again and again["sep"] and _key(again["label"]) == key:
        match = again  # "Action: Action: search"
    strong = key in STRONG
    rest = text[match.end() : min(end, match.end() + 80)]
    marked = "#" in match["open"] or any(mark in match["close"] for mark in "*]】>")
    bare = not rest.strip()
    called = LABELS[key] is Kind.ACTION and _CALL_AHEAD.match(rest.lstrip())
    if not (match["sep"] or (strong and (marked or bare or called))):
        return None
    return Label(LABELS[key], strong, at, _behind_marks(text, match))


def _behind_marks(text: str, match: re.Match[str]) -> int:
    """Where the body begins: behind the bold or code marks that were opened before the label."""
    marks = _MARKS.match(text, match.end())
    return marks.end() if marks and marks[1][0] in match["open"] else match.end()


def inline_labels(text: str) -> list[Label]:
    """Strong labels with a colon, wherever they stand.

    Args:
        text: a reply, without its reasoning block.

    Returns:
        The labels in order.
    """
    found = []
    for match in _INLINE.finditer(text):
        key = _key(match["label"])
        before = text[match.start() - 1 : match.start()]
        if key.isascii():
            # "…搜索Action：searchAction Input：": a capital tells a label from the word before it.
            is_label = match["label"][0].isupper() and not (before.isascii() and (before.isupper() or before == "_"))
        else:
            is_label = not before.isalnum() or before.isascii()
        if is_label:
            found.append(Label(LABELS[key], key in STRONG, match.start(), _behind_marks(text, match)))
    return found


_TAGS = re.compile(
    r"<(?P<slash>/?)(?P<tag>thought|action|action_input|tool_input|input|observation|answer|final_answer|"
    r"思考|行动|行动输入|观察|最终答案)>|【(?P<mark>思考|行动|行动输入|动作|动作输入|工具|输入|参数|观察|答案|最终答案|"
    r"Thought|Action|Action Input|Observation|Final Answer)】[ ]?[:：]?|"
    r"\[(?P<square>Thought|Action|Action Input|Observation|Final Answer)\][ ]?[:：]?|"
    r"✿(?P<flower>FUNCTION|ARGS|RESULT|RETURN)✿[ ]?[:：]?",
    re.IGNORECASE,
)
_FLOWERS = {"function": "Action", "args": "Action Input", "result": "Observation", "return": "Final Answer"}


def unmark(text: str) -> str:
    """Write labels given as tags, brackets or special tokens as lines: `<action>x</action>` -> "Action: x".

    Args:
        text: a reply.

    Returns:
        The same reply with such labels on lines of their own.
    """

    def line(match: re.Match[str]) -> str:
        if match["slash"]:
            return "\n"
        name = match["tag"] or match["mark"] or match["square"] or _FLOWERS[match["flower"].lower()]
        return f"\n{name}: "

    return _TAGS.sub(line, text)
