"""A plan that is rewritten, and skills that are read by name."""

from pathlib import Path

import pytest

import nacre
from nacre.agents.tools.plan import plan_tool
from nacre.agents.tools.skills import read_skills, skill_tool
from nacre.errors import ToolError, UsageError
from nacre.text.messages import nacre_of


def test_a_plan_is_written_and_rewritten() -> None:
    write = 'Action: plan\nAction Input: {"todo": ["look", "tell"]}'
    again = 'Action: plan\nAction Input: {"todo": ["tell"], "done": ["look\\n now"]}'
    model = nacre.ScriptedChatModel([write, again, write, "Final Answer: told"])
    answer = nacre.ReAct(inner=model, tools=[plan_tool()]).invoke("Look and tell.")
    steps = nacre_of(answer)["trajectory"]
    assert [step["observation"] for step in steps[:2]] == ["[ ] look\n[ ] tell", "[x] look now\n[ ] tell"]
    assert answer.text == "told" and "[x] look now" in str(model.calls[2])
    with pytest.raises(ToolError, match="at most"):
        plan_tool().invoke({"todo": ["x"] * 21})
    assert len(plan_tool().invoke({"todo": ["x" * 9000]})) < 300


def test_skills_are_listed_and_read_by_name(tmp_path: Path) -> None:
    for name, text in {
        "mail": "---\nname: letters\ndescription: How to write letters.\n---\nBegin with a greeting.",
        "bare": "Count twice.",
        "huge": "x" * 90_000,
    }.items():
        (tmp_path / "skills" / name).mkdir(parents=True)
        (tmp_path / "skills" / name / "SKILL.md").write_text(text)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "SKILL.md").write_text("a secret")
    (tmp_path / "skills" / "out").symlink_to(tmp_path / "secret")
    tool = skill_tool(tmp_path / "skills")
    assert "letters: How to write letters." in tool.description and "greeting" not in tool.description
    assert "secret" not in tool.description and len(tool.description) < 1000
    assert tool.invoke({"name": "letters"}) == "Begin with a greeting."
    assert tool.invoke({"name": "bare"}) == "Count twice." and len(tool.invoke({"name": "huge"})) == 32_768
    for wrong in ("../secret", "mail"):
        with pytest.raises(ToolError, match="letters"):
            tool.invoke({"name": wrong})
    with pytest.raises(UsageError):
        read_skills(tmp_path / "nowhere")
