"""What goes wrong, as the OpenAI API tells it: `{"error": {"message", "type", "param", "code"}}` with a status."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from nacre import errors
from nacre.text.language import tr

_log = logging.getLogger("nacre.server")


class Problem(Exception):
    """A refusal with its HTTP status, and where known the seconds after which to try again."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        """The error object."""
        kind = _KINDS.get(self.status) or ("invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    408: "timeout_error",
    409: "conflict_error",
    429: "rate_limit_error",
    499: "cancelled",
}


_UNKNOWN = "internal_error"
_PATH = re.compile(r"(?<![\w/.])/(?:[\w.\-@+]{1,255}/){1,64}[\w.\-@+]{0,255}")
# The first class that fits decides: narrow ones stand before wide ones.
_STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.ContentBlockedError, 400, "content_filter"),
    (errors.UnsupportedInputError, 400, "unsupported_input"),
    (errors.UsageError, 400, "invalid_value"),
    (errors.LockedError, 409, "locked"),
    (errors.ModelUnavailableError, 503, "model_unavailable"),
    (errors.MissingKeyError, 503, "model_not_configured"),
    (errors.MissingExtraError, 501, "not_installed"),
    (errors.ModelError, 502, "model_error"),
    (errors.BudgetExceededError, 429, "budget_exceeded"),
    (errors.SandboxUnavailableError, 503, "sandbox_unavailable"),
    (errors.KnowledgeBaseError, 503, "knowledge_base_error"),
    (errors.StorageError, 503, "storage_error"),
    (errors.NacreError, 500, "internal_error"),
)


def problem_of(error: BaseException) -> Problem:
    """Turn any error into a refusal. What was not raised on purpose is logged and told without its details."""
    if problem := _known(error):
        return problem
    _log.error("unexpected error", exc_info=error)
    return Problem(500, tr("Something went wrong on the server. Its log says more under this request id."), _UNKNOWN)


def code_of(error: BaseException) -> str:
    """The short name of an error for the audit log; "cancelled" where the client left."""
    if not isinstance(error, Exception):
        return "cancelled"
    problem = _known(error)
    return (problem.code if problem else _UNKNOWN) or "error"


def _known(error: BaseException) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, TimeoutError):
        return Problem(504, tr("The model took too long. Ask again, or ask for less."), "timeout")
    if isinstance(error, UnicodeEncodeError):  # JSON can spell half of a surrogate pair, which no text file can hold
        return Problem(400, tr("The text holds half a character (a lone surrogate). Take it out."), "invalid_value")
    if isinstance(error, NotImplementedError):
        return Problem(400, tr("This model takes no tools. Leave `tools` out."), "unsupported_input", "tools")
    for known, status, code in _STATUS:
        if isinstance(error, known):
            return Problem(status, without_folders(str(error)), code)
    return None


def without_folders(text: str) -> str:
    """A message without the folders of this machine: who asks from elsewhere is told a file's name alone."""
    return _PATH.sub(lambda found: Path(found[0]).name if Path(found[0]).parent.exists() else found[0], text)


def unknown_model(name: str, known: list[str]) -> Problem:
    """A model that is not served."""
    listed = ", ".join(known)
    told = tr("There is no model {name!r} here. There are: {listed}.", name=name, listed=listed)
    return Problem(404, told, "model_not_found", "model")


def not_found(what: str) -> Problem:
    """Something that is not there, or not for this user: the two are not told apart."""
    return Problem(404, tr("There is no {what!r} here.", what=what), "not_found")
