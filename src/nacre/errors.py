"""One tree of errors. Every error that Nacre raises on purpose is a `NacreError`.

A message says what was wrong, with what, and what to do. Write it in both languages with `nacre.text.language.tr`.
"""

from __future__ import annotations


class NacreError(Exception):
    """The root: what was wrong, with what, and what to do.

    Args:
        message: one or two sentences for the person who reads it, already in their language.
        **data: the fields of the class (`uri`, `limit_s`, …), kept as attributes for programs.
    """

    def __init__(self, message: str, **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.__dict__.update(data)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (parsers run in workers); keyword fields must survive.
        return (_rebuild, (type(self), self.message, {k: v for k, v in self.__dict__.items() if k != "message"}))


def _rebuild(kind: type[NacreError], message: str, data: dict[str, object]) -> NacreError:
    return kind(message, **data)


class UsageError(NacreError, ValueError):
    """A wrong argument, an empty question, an unknown name."""


class MissingExtraError(NacreError, ImportError):
    """An optional package is not installed."""

    package: str
    install: str


class PromptError(NacreError):
    """A prompt file, or a value for one of its variables, is wrong."""

    prompt_id: str


class StackError(NacreError):
    """A stack cannot be built from its description."""

    path: str


class ModelError(NacreError):
    """A chat model or an embedder cannot be loaded or does not answer as it should."""

    model: str


class UnknownProviderError(ModelError):
    """No provider or model of that name."""


class MissingKeyError(ModelError):
    """The provider needs a key that is not set."""

    variable: str


class ModelUnavailableError(ModelError):
    """No answer from a model server or a model hub."""

    uri: str


class UnsupportedInputError(ModelError):
    """The model does not take this kind of input (images, tools, …)."""


class UnsupportedParameterError(UnsupportedInputError):
    """The model does not take one parameter of the call; the same call without it may succeed."""

    parameter: str


class ContentBlockedError(ModelError):
    """Moderation refused the question or the answer."""

    categories: tuple[str, ...]


class KnowledgeBaseError(NacreError):
    """Something is wrong with a knowledge base folder."""

    path: str


class DamagedError(KnowledgeBaseError):
    """The catalog or the manifest cannot be read."""


class LockedError(KnowledgeBaseError):
    """Another process is writing to this knowledge base."""


class UnreachableError(KnowledgeBaseError):
    """The server that keeps a knowledge base does not answer."""


class EmbedderMismatchError(KnowledgeBaseError):
    """The folder was built with another embedder."""


class FormatError(KnowledgeBaseError):
    """The folder was written by a newer format."""


class StorageError(NacreError):
    """A file of conversations, of replies or of a server's records cannot be read or written now."""

    path: str


class SourceError(NacreError):
    """A source cannot be listed or read."""

    uri: str


class ParseError(SourceError):
    """A document cannot be parsed."""


class InterpreterError(NacreError):
    """The interpreter itself failed; a failing program is a status, not an error."""


class SandboxUnavailableError(InterpreterError):
    """The kernel lacks what the sandbox needs."""

    missing: tuple[str, ...]


class ToolError(NacreError):
    """A tool of an agent cannot be built or called."""

    tool: str


class BudgetExceededError(NacreError):
    """A budget of steps, seconds or tokens is used up."""

    limit: str


class EvaluationError(NacreError):
    """A data set, a metric or a report is wrong."""


class FinetuningError(NacreError):
    """Rows to train on, a run of training, or what came of it, is wrong."""
