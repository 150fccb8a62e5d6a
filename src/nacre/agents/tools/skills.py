"""Folders with a SKILL.md, instructions for one kind of task each: listed by name, and read when one is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from langchain_core.tools import BaseTool, StructuredTool

from nacre.agents.facts import state
from nacre.errors import ToolError, UsageError
from nacre.text.language import listed, tr

MOST, LONGEST, DESCRIPTION = 64, 32_768, 300


@dataclass(frozen=True)
class Skill:
    """One skill: its text is data for the model, nothing in its folder is run."""

    name: str
    description: str
    text: str


def read_skills(folder: str | Path) -> dict[str, Skill]:
    """The skills of a folder, one in each of its folders; links that lead out of it are left alone."""
    root = Path(folder).resolve()
    if not str(folder).strip() or not root.is_dir():
        raise UsageError(tr("{folder} is no folder of skills.", folder=folder))
    places = [place for place in sorted(root.glob("*/SKILL.md")) if place.resolve().is_relative_to(root)]
    if len(places) > MOST:
        raise UsageError(tr("{folder} holds more than {most} skills. Use several folders.", folder=folder, most=MOST))
    skills = [_skill(place) for place in places]
    return {skill.name: skill for skill in skills}


def _skill(place: Path) -> Skill:
    with place.open("rb") as file:
        text = file.read(LONGEST).decode("utf-8", "replace")
    top, body = text[4:].split("\n---", 1) if text.startswith("---\n") and "\n---" in text[4:] else ("", text)
    # The lines `name: value` of a head; nothing else in it counts.
    pairs = (line.split(":", 1) for line in top.splitlines() if ":" in line and not line[:1].isspace())
    head = {name.strip(): value.strip().strip("\"'") for name, value in pairs}
    name, told = str(head.get("name") or place.parent.name), str(head.get("description") or body.strip()[:DESCRIPTION])
    return Skill(name[:64], " ".join(told.split())[:DESCRIPTION], body.strip())


def skill_tool(folder: str | Path) -> BaseTool:
    """Make a tool that gives the text of a skill by its name; its description lists what there is."""
    skills = read_skills(folder)

    def skill(name: str) -> str:
        if name not in skills:
            raise ToolError(tr("No skill is called {name!r}. There are: {known}.", name=name, known=listed(skills)))
        return skills[name].text

    lines = "; ".join(f"{one.name}: {one.description}" for one in skills.values())
    told = f"Instructions for a kind of task; read them before you begin. Skills: {lines or '-'}"
    return state(StructuredTool.from_function(skill, name="skill", description=told))
