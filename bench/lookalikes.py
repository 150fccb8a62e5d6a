"""Passages that look alike but for what they are named by: part numbers, error codes, clauses, offices, versions.

    python bench/lookalikes.py [--json]

Made from a seed, in English and Chinese, 40 to 200 passages a base, some of which mention another's name. Most names
have a passage for each of two subjects, so the name alone is not enough. Questions ask one passage, some two, some in
the other language than the passages. Two bases show what must not be lost: in `everywhere` all passages hold the name
of the question, in `listed` only a list of models does and the advice stands elsewhere. For each base nDCG@10 and the
share of first hits that are right, of both arms and of each alone; weights may be chosen on the even seeds only.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from nacre.connectors.embeddings import load_embedder
from nacre.eval.metrics import ndcg
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase

ARMS = {"fused": ("words", "vectors"), "words": ("words",), "vectors": ("vectors",)}
SEEDS = {"chosen": (0, 2), "held out": (1, 3)}
_MENTIONED, _TWO = 0.35, 0.2  # shares of passages that mention another, and of questions that ask for two


@dataclass(frozen=True)
class Kind:
    """How a kind of look-alikes is written in one language.

    Args:
        name: makes the n-th name.
        subjects: a passage and a question for each; one alone where a name has a single passage.
        mention: what a passage says of another name.
        two: a question for two names.
        other: the questions in the other language.
    """

    name: Callable[[random.Random, int], str]
    subjects: tuple[tuple[str, str], ...]
    mention: str
    two: str
    other: tuple[str, ...] = ()


@dataclass
class Made:
    """A base and its questions."""

    texts: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, set[str]]] = field(default_factory=list)


def _part(dice: random.Random, n: int) -> str:
    return f"{dice.choice(('QX', 'QY', 'QZ'))}-{4400 + n}"


def _error(dice: random.Random, n: int) -> str:
    return f"E{1000 + n}"


def _clause(dice: random.Random, n: int) -> str:
    return f"{1 + n // 36}.{1 + n // 6 % 6}.{1 + n % 6}"


def _version(dice: random.Random, n: int) -> str:
    return f"v{1 + n // 20}.{n % 20}"


_TOWNS = "Shenzhen Boston Leipzig Nairobi Lima Oslo Cork Turin Kyoto Perth Lagos Quito Ghent Basel Izmir Porto"
_PARTS = "North South East West Harbour Airport"
_FAMILY, _GIVEN = "张王李赵陈杨黄周吴徐孙马朱胡林", "伟芳娜敏静磊洋勇艳杰涛明超兰霞"


def _office(dice: random.Random, n: int) -> str:
    towns, parts = _TOWNS.split(), _PARTS.split()
    return towns[n] if n < len(towns) else f"{towns[n % len(towns)]} {parts[n // len(towns) % len(parts)]}"


def _person(dice: random.Random, n: int) -> str:
    return _FAMILY[n % len(_FAMILY)] + _GIVEN[n // len(_FAMILY) % len(_GIVEN)]


KINDS = {
    "part numbers": {
        "en": Kind(
            _part,
            (
                (
                    "The valve {x} is tightened with a torque of {a} Nm. Use a dry thread and a calibrated wrench, and "
                    "tighten it once more after the first hour of use.",
                    "What is the torque of part {x}?",
                ),
                (
                    "The valve {x} is stored between {a} and {b} degrees in its box. Keep it dry, and turn the boxes "
                    "every month so that the seals do not stick.",
                    "How is {x} to be stored?",
                ),
            ),
            " It replaces the {y}.",
            "What is the difference in torque between {x} and {y}?",
            ("{x} 的扭矩是多少？", "{x} 应该怎样存放？"),
        ),
        "zh": Kind(
            _part,
            (
                (
                    "阀门 {x} 的拧紧扭矩为 {a} 牛米。螺纹应保持干燥，使用校准过的扳手，首次使用一小时后再拧紧一次。",
                    "{x} 的扭矩是多少？",
                ),
                (
                    "阀门 {x} 应在 {a} 至 {b} 度之间存放在原包装盒内。保持干燥，每月翻动一次，以免密封圈粘住。",
                    "{x}怎么存放？",
                ),
            ),
            "该型号替代 {y}。",
            "{x} 和 {y} 的扭矩有什么区别？",
            ("What is the torque of part {x}?", "How is {x} to be stored?"),
        ),
    },
    "error codes": {
        "en": Kind(
            _error,
            (
                (
                    "{x}: the sensor in slot {a} does not answer. Switch the machine off, check the cable of the "
                    "sensor, and switch it on again after {b} seconds.",
                    "What does error {x} mean?",
                ),
            ),
            " Where {y} is shown as well, call the service.",
            "What do {x} and {y} mean?",
            ("{x} 是什么错误？",),
        ),
        "zh": Kind(
            _error,
            (("{x}：{a} 号插槽的传感器没有应答。请关闭机器，检查传感器电缆，{b} 秒后重新开机。", "{x} 是什么错误？"),),
            "如同时显示 {y}，请联系售后。",
            "{x} 和 {y} 分别是什么意思？",
            ("What does error {x} mean?",),
        ),
    },
    "clauses": {
        "en": Kind(
            _clause,
            (
                (
                    "Clause {x}. The supplier answers within {a} working days where the buyer claims a defect of a "
                    "delivery, and replaces the goods within {b} days.",
                    "What does clause {x} say?",
                ),
            ),
            " Clause {y} remains in force.",
            "Compare clause {x} with clause {y}.",
            ("第 {x} 条规定了什么？",),
        ),
        "zh": Kind(
            _clause,
            (
                (
                    "{x} 买方就交货缺陷提出索赔的，供方应在 {a} 个工作日内答复，并在 {b} 日内更换货物。",
                    "第{x}条规定了什么？",
                ),
            ),
            "不影响第 {y} 条的适用。",
            "第 {x} 条与第 {y} 条有何不同？",
            ("What does clause {x} say?",),
        ),
    },
    "names": {
        "en": Kind(
            _office,
            (
                (
                    "Leave policy of the {x} office. Employees have {a} days of annual leave and ask for it {b} days "
                    "ahead; the head of the office approves it.",
                    "What is the leave policy of the {x} office?",
                ),
                (
                    "Opening hours of the {x} office. The doors open at {a} and close at {b}; visitors sign the book "
                    "at the desk.",
                    "When does the {x} office open?",
                ),
            ),
            " The {y} office has a rule of its own.",
            "How does the leave policy of {x} differ from that of {y}?",
        ),
        "zh": Kind(
            _person,
            (
                ("{x}于2019年入职，现任第{a}事业部经理，分机号 {b}，负责华南区域的客户和合同。", "{x}在哪个部门？"),
                ("{x}本年度年假共{a}天，已休{b}天，剩余部分可结转至次年三月底。", "{x}还剩多少天年假？"),
            ),
            "休假期间由{y}代理。",
            "{x}和{y}的部门相同吗？",
        ),
    },
    "versions": {
        "en": Kind(
            _version,
            (
                (
                    "Release notes of {x}. This release mends {a} defects and adds {b} settings to the page of "
                    "reports; upgrade the server before the clients.",
                    "What is new in {x}?",
                ),
            ),
            " Settings of {y} are read as before.",
            "What changed between {x} and {y}?",
            ("{x} 有什么新内容？",),
        ),
        "zh": Kind(
            _version,
            (
                (
                    "{x} 版本说明：本次修复 {a} 个缺陷，报表页面新增 {b} 项设置；请先升级服务器，再升级客户端。",
                    "{x} 更新了什么？",
                ),
            ),
            "可直接读取 {y} 的设置。",
            "{x} 到 {y} 之间有哪些变化？",
            ("What is new in {x}?",),
        ),
    },
}
_ADVICE = (
    ("the paper is jammed", "Open the rear door, pull the sheet out slowly and close the door again."),
    ("the print is pale", "Shake the cartridge gently; replace it when its lamp glows."),
    ("the network is not found", "Hold the wireless button for five seconds and type the password."),
    ("the device is loud", "Put it on a level table and oil the rollers once a year."),
    ("the scanner shows stripes", "Wipe the glass with a soft cloth and some alcohol."),
    ("it asks for a password", "The password of the factory is on the label below the device."),
    ("the clock is wrong", "Set the time in the menu; a dead battery forgets it overnight."),
    ("pages come out blank", "Take the orange tape off the new cartridge."),
    ("the tray does not close", "Push both blue levers down before the tray goes in."),
    ("the screen stays dark", "Check the fuse of the socket and press any key."),
)


def made(kind: Kind, seed: int, count: int) -> Made:
    """A base of one kind.

    Args:
        count: names.
    """
    dice, found = random.Random(f"{seed} {count}"), Made()
    every = list(dict.fromkeys(kind.name(dice, n) for n in range(count)))
    for name in every:
        for at, (text, _) in enumerate(kind.subjects):
            more = kind.mention.format(y=dice.choice(every)) if dice.random() < _MENTIONED else ""
            values = {"a": dice.randint(2, 30), "b": dice.randint(31, 90)}
            found.texts[f"{name}/{at}"] = text.format(x=name, **values) + more
    for name in dice.sample(every, min(20, len(every))):
        at = dice.randrange(len(kind.subjects))
        other = dice.choice([one for one in every if one != name])
        found.asked.append((kind.subjects[at][1].format(x=name), {f"{name}/{at}"}))
        if kind.other:
            found.asked.append((kind.other[at].format(x=name), {f"{name}/{at}"}))
        if dice.random() < _TWO:
            found.asked.append((kind.two.format(x=name, y=other), {f"{name}/0", f"{other}/0"}))
    return found


def controls(seed: int) -> dict[str, Made]:
    """What must not be lost."""
    dice, everywhere, listed = random.Random(seed), Made(), Made()
    model = f"LX-{dice.randint(100, 999)}"
    for n, (what, cure) in enumerate(_ADVICE):
        everywhere.texts[str(n)] = f"{model} manual. If {what}: {cure}"
        listed.texts[str(n)] = f"If {what}: {cure}"
        everywhere.asked.append((f"What do I do with the {model} when {what}?", {str(n)}))
        listed.asked.append((f"What do I do with the {model} when {what}?", {str(n)}))
    for n in range(60):
        text = f"Note {n} on office matters: room {dice.randint(100, 900)} was painted and has {n} new chairs."
        everywhere.texts[f"n{n}"], listed.texts[f"n{n}"] = f"{model} manual. {text}", text
    models = ", ".join(f"LX-{number}" for number in dice.sample(range(1000, 2000), 8))
    listed.texts["list"] = f"We sell the following devices with a warranty of two years: {models}, {model}."
    return {"everywhere": everywhere, "listed": listed}


def bases(seed: int) -> dict[str, Made]:
    """All bases of a seed by their names."""
    found = {}
    for at, (name, kind) in enumerate(KINDS.items()):
        for language, written in kind.items():
            found[f"{name} {language}"] = made(written, seed, (40, 60, 80, 90, 100)[(at + seed) % 5])
    together = Made()
    for name in ("part numbers en", "error codes zh", "clauses en", "names zh", "names en", "versions zh"):
        together.texts |= {f"{name}:{id}": text for id, text in found[name].texts.items()}
        together.asked += [(asked, {f"{name}:{id}" for id in right}) for asked, right in found[name].asked]
    return found | controls(seed) | {"together": together}


def measured(one: Made, embedder: Any) -> dict[str, tuple[float, float]]:
    """(nDCG@10, right first hits) of both arms and each alone."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, KnowledgeBase.open(folder, embedder) as base:
        base.sync(TextSource("made:", [(f"made:{id}", text, "") for id, text in one.texts.items()]))
        for name, arms in ARMS.items():
            each = []
            for query, right in one.asked:
                ranking = [hit.uri.removeprefix("made:") for hit in base.search(query, k=10, arms=arms)]
                each.append((ndcg(ranking, dict.fromkeys(right, 1)), float(bool(ranking) and ranking[0] in right)))
            found[name] = (mean(n for n, _ in each), mean(first for _, first in each))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    embedder, table = load_embedder(), dict[str, dict[str, Any]]()
    for half, seeds in SEEDS.items():
        rows = [{name: measured(one, embedder) for name, one in bases(seed).items()} for seed in seeds]
        for name in rows[0]:
            for arm in ARMS:
                value = [round(mean(row[name][arm][at] for row in rows), 4) for at in (0, 1)]
                table.setdefault(name, {}).setdefault(half, {})[arm] = value
    if options.json:
        print(json.dumps(table, indent=1))
        return
    for half in SEEDS:
        print(f"\n{half + ': nDCG@10 / first':34}" + "".join(f"{arm:>16}" for arm in ARMS))
        for name, halves in table.items():
            print(f"{name:34}" + "".join(f"{'{:.3f} / {:.2f}'.format(*halves[half][arm]):>16}" for arm in ARMS))


if __name__ == "__main__":
    main()
