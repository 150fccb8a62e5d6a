"""Prompts are files: one a language, with a version, declared variables and messages.

A prompt is loaded by its id alone, which is its place in the folder, never from a text or a path. Only declared slots
(`{{question}}`) are filled, in one pass: braces, or even slots, inside a value are content and stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from nacre.errors import PromptError
from nacre.text.language import Language, listed, tr

_LANGUAGES: tuple[Language, ...] = ("en", "zh")
_ID = re.compile(r"[a-z0-9_]+(?:/[a-z0-9_]+)+")
_SLOT = re.compile(r"\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}")
_ROLES: dict[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


@dataclass(frozen=True)
class Prompt:
    """A prompt template: its version, counted up at every change of the text and named by reports, the slots that must
    be filled, and (role, template) pairs.
    """

    id: str
    language: Language
    version: int
    variables: tuple[str, ...]
    messages: tuple[tuple[str, str], ...]

    def render(self, **values: str) -> list[BaseMessage]:
        """Fill the slots."""
        missing = [name for name in self.variables if name not in values]
        unknown = [name for name in values if name not in self.variables]
        if missing:
            told = tr("Prompt {id} needs {missing}: pass a text for each.", id=self.id, missing=listed(missing))
            raise PromptError(told, prompt_id=self.id)
        if unknown:
            told = tr(
                "Prompt {id} has no variable {unknown}; it has: {variables}.",
                id=self.id,
                unknown=listed(unknown),
                variables=listed(self.variables),
            )
            raise PromptError(told, prompt_id=self.id)
        return [
            _ROLES[role](content=_SLOT.sub(lambda slot: values[slot[1]], template)) for role, template in self.messages
        ]

    def text(self, **values: str) -> str:
        """Fill the slots of a prompt that is a single text."""
        return str(self.render(**values)[0].content)


_own: list[Path] = []  # the folder of prompts of one's own, where one is used


def use(folder: str | Path) -> None:
    """Take prompts from a folder of one's own first; those that it lacks are ours.

    Its files are named as ours are, `rag/answer.en.yaml`. It counts for the whole process: one that is in use already
    makes another an error.
    """
    path = Path(folder).resolve()
    if not path.is_dir():
        raise PromptError(tr("There is no folder of prompts {folder}.", folder=folder))
    if _own and _own[0] != path:
        raise PromptError(tr("Prompts come from {own} already; one process takes them from one folder.", own=_own[0]))
    _own[:] = [path]
    load.cache_clear()
    ids = _ids(path, "")
    strange = [id for id in sorted(ids) if not _ID.fullmatch(id)]
    if strange or not ids:
        _own.clear()
        named = strange[0] if strange else path
        told = tr("{named} is no prompt; a folder of prompts holds files like rag/answer.en.yaml.", named=named)
        raise PromptError(told)


def forget() -> None:
    """Take all prompts from ours again."""
    _own.clear()
    load.cache_clear()


def version(id: str) -> str:
    """A prompt's version and a fingerprint of its texts in all its languages: "v2 1f0c33aa"."""
    found = [load(id, language) for language in _LANGUAGES if _file(id, language).is_file()]
    texts = sha256("\0".join(str((each.language, each.messages)) for each in found).encode()).hexdigest()
    return f"v{max(each.version for each in found)} {texts[:8]}"


def _file(id: str, language: str) -> Any:
    *folders, name = id.split("/")
    places = [place.joinpath(*folders, f"{name}.{language}.yaml") for place in (*_own, files("nacre.prompts"))]
    return next((place for place in places if place.is_file()), places[-1])


@cache
def load(id: str, language: Language = "en") -> Prompt:
    """Load a prompt."""
    if not _ID.fullmatch(id):
        raise PromptError(tr("{id!r} is not a prompt id; one looks like 'rag/answer'.", id=id), prompt_id=id)
    file = _file(id, language)
    try:
        raw = yaml.safe_load(file.read_text("utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(prompt_ids())
        told = tr(
            "There is no prompt {id!r} in language {language!r}. There are: {known}.",
            id=id,
            language=language,
            known=known,
        )
        raise PromptError(told, prompt_id=id) from error
    except yaml.YAMLError as error:
        told = tr("The file of prompt {id!r} is not YAML: {error}", id=id, error=error)
        raise PromptError(told, prompt_id=id) from error
    return _prompt(id, language, raw)


def prompt_ids() -> list[str]:
    """All prompts that there are."""
    return sorted(set().union(*(_ids(folder, "") for folder in (*_own, files("nacre.prompts")))))


def _ids(folder: Any, prefix: str) -> set[str]:
    found: set[str] = set()
    for entry in folder.iterdir():
        if entry.name.endswith(".yaml"):
            found.add(prefix + entry.name.rsplit(".", 2)[0])
        elif entry.is_dir() and not entry.name.startswith("_"):
            found |= _ids(entry, f"{prefix}{entry.name}/")
    return found


def _prompt(id: str, language: Language, raw: Any) -> Prompt:
    def wrong(why_en: str, why_zh: str) -> PromptError:
        told = tr(
            "The file of prompt {id!r} ({language}) is wrong: {why_en}",
            id=id,
            language=language,
            why_en=why_en,
            why_zh=why_zh,
        )
        return PromptError(told, prompt_id=id)

    if not isinstance(raw, dict) or {*raw, "id", "variables"} != {"id", "version", "variables", "messages"}:
        raise wrong("it holds version, variables and messages.", "只应有 version、variables、messages。")
    if raw.get("id", id) != id:
        raise wrong(f"its id is {raw['id']!r}.", f"其中的 id 为 {raw['id']!r}。")
    listed = isinstance(raw["messages"], list) and isinstance(raw.get("variables", []), list)
    if not (listed and isinstance(raw["version"], int) and all(isinstance(m, dict) and m for m in raw["messages"])):
        raise wrong(
            "version is a number, variables a list, messages a list of {role: text}.",
            "version 应为数字，variables 应为列表，messages 应为 {role: text} 的列表。",
        )
    # As it was written before: {"role": "user", "content": …}.
    each = [{str(m["role"]): m["content"]} if set(m) == {"role", "content"} else m for m in raw["messages"]]
    messages = tuple((str(role), str(text).rstrip("\n")) for m in each for role, text in m.items())
    if unknown := {role for role, _ in messages} - set(_ROLES):
        raise wrong(
            f"unknown role {sorted(unknown)}; use {sorted(_ROLES)}.",
            f"未知角色 {sorted(unknown)}；可用 {sorted(_ROLES)}。",
        )
    used = {slot for _, template in messages for slot in _SLOT.findall(template)}
    declared = tuple(raw.get("variables", []))
    if used != set(declared):
        raise wrong(
            f"declared {sorted(declared)}, used {sorted(used)}.",
            f"声明了 {sorted(declared)}，实际使用 {sorted(used)}。",
        )
    return Prompt(id, language, int(raw["version"]), declared, messages)
