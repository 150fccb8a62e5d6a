"""Fine-tuning by a service: upload, one paid job and never a second, its events, and the model's name at the end."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nacre.connectors.models.provider import Provider
from nacre.connectors.models.providers import find_provider
from nacre.connectors.timed_http import exchange
from nacre.errors import FinetuningError
from nacre.finetuning.card import facts, write_card
from nacre.finetuning.dialects import DIALECTS, written
from nacre.finetuning.plan import PASSES, Plan, new_folder
from nacre.finetuning.training import prepare
from nacre.system.files import atomic_write, private_folder
from nacre.text.hygiene import masked
from nacre.text.language import tr
from nacre.text.strict_json import to_json
from nacre.text.tokens import estimate

STATE = "hosted.json"
_TIMEOUT_S, _MOST = 120.0, 64 << 20
_OVER = {"succeeded", "failed", "cancelled", "canceled"}
_TRIES = 5


def is_hosted(base: str) -> bool:
    """Whether a base names a service."""
    return ":" in base and find_provider(base.partition(":")[0]) is not None


@dataclass(frozen=True)
class Leaving:
    """What leaves the house with a job.

    Args:
        tokens: about how many, each counted once.
        cost: of all passes over them, where a price is given.
    """

    rows: int
    tokens: int
    documents: int
    host: str
    cost: float | None

    def told(self) -> str:
        """One line for whoever must agree."""
        cost = tr(", about {cost} in all", cost=f"{self.cost:.2f}") if self.cost is not None else ""
        return tr(
            "{rows} rows of {documents} documents, some {tokens} tokens, {epochs} passes{cost}, go to {host}.",
            rows=self.rows,
            documents=self.documents,
            tokens=self.tokens,
            epochs=PASSES,
            cost=cost,
            host=self.host,
        )


class Service:
    """One service's fine-tuning API, and the one job of a plan."""

    def __init__(self, plan: Plan, *, exclude: Sequence[str] = (), price: float | None = None) -> None:
        kind, _, rest = plan.base.partition(":")
        provider = find_provider(kind)
        if provider is None or provider.name not in DIALECTS:
            raise FinetuningError(
                tr("{base} tunes no models for others; there are {known}.", base=plan.base, known=", ".join(DIALECTS))
            )
        if plan.method not in ("lora", "full", "dpo"):
            raise FinetuningError(tr("A service trains by lora, full or dpo, not by {method}.", method=plan.method))
        self.plan, self.provider, self.dialect = plan, provider, DIALECTS[provider.name]
        self.model, self.url, self.key = provider.place(rest, {}, "urllib", plan.base)
        self.host = str(urlsplit(self.url).hostname)
        prepared = prepare(plan, exclude)
        self.rows, self.all_rows, self.problems = prepared.train, prepared.rows, prepared.problems
        self.price = price
        secret = next((row for row in self.rows if masked(text := written(row, self.dialect)) != text), None)
        if secret:
            raise FinetuningError(
                tr("A row holds what looks like a secret, and must not leave the house: {row}", row=secret.asked[:80])
            )

    @property
    def leaving(self) -> Leaving:
        """What an upload would take out of the house."""
        tokens = sum(estimate(written(row, self.dialect)) for row in self.rows)
        cost = None if self.price is None else self.price * PASSES * tokens / 1e6
        documents = len({row.document for row in self.rows if row.document})
        return Leaving(len(self.rows), tokens, documents, self.host, cost)

    def run(
        self, *, resume: bool = False, every_s: float = 15.0, on_progress: Callable[[str], object] | None = None
    ) -> str:
        """Upload, create the job, wait for it.

        Returns:
            The name by which `load_model` asks the tuned model.
        """
        state = self._state(resume)
        if "file" not in state:
            state["file"] = self._upload()
            self._keep(state)
        if "job" not in state:
            state["job"] = self._created(state)
            self._keep(state)
        job = self._wait(state["job"], every_s, on_progress)
        if job["status"] != "succeeded":
            raise FinetuningError(
                tr("The job {job} ended as {status}: {error}", job=job["id"], status=job["status"], error=job["error"])
            )
        spec = f"{self.provider.name}:{job['model']}"
        card = {"kind": "hosted", "method": self.plan.method, "base_model": self.plan.base, "base_hash": ""}
        write_card(self.plan.folder, {**card, "spec": spec, "job": job["id"], **facts(self.all_rows)})
        return spec

    def cancel(self) -> str:
        """Cancel the job of the plan's folder."""
        state = self._state(True)
        if "job" not in state:
            raise FinetuningError(tr("{folder} has no job.", folder=self.plan.folder))
        return str(self.dialect.job(self._ask("POST", f"{self.dialect.jobs}/{state['job']}/cancel", {}))["status"])

    # ------------------------------------------------------------------------------------------------ the one job

    def _created(self, state: dict[str, Any]) -> str:
        """The job; one that may have been made before the connection was lost is looked for first, by its suffix."""
        if state.get("creating") and (found := self._find(state["suffix"])):
            return found
        state["creating"] = True
        self._keep(state)
        body = self.dialect.create(self.model, state["file"], state["suffix"], self.plan.method)
        try:
            return str(self.dialect.job(self._ask("POST", self.dialect.jobs, body))["id"])
        except _Refused:
            state["creating"] = False  # the service has said no: there is no job
            self._keep(state)
            raise
        except OSError as error:
            if found := self._find(state["suffix"]):
                return found
            raise FinetuningError(
                tr(
                    "The connection to {host} was lost while the job was made ({error}), and no job {suffix!r} is "
                    "listed yet. Run again with --resume: it looks once more before it makes one.",
                    host=self.host,
                    error=error,
                    suffix=state["suffix"],
                )
            ) from error

    def _find(self, suffix: str) -> str | None:
        """The job with our suffix, if the service lists one; where it does not say, none is made."""
        try:
            data = self._ask("GET", self.dialect.jobs)
        except (OSError, _Refused) as error:
            raise FinetuningError(
                tr(
                    "{host} does not say whether the job {suffix!r} exists ({error}). Look there, and run again with "
                    "--resume later; a second job would be paid for.",
                    host=self.host,
                    suffix=suffix,
                    error=error,
                )
            ) from error
        jobs = map(self.dialect.job, self.dialect.listed(data))
        return next((job["id"] for job in jobs if job["suffix"] == suffix), None)

    def _wait(self, job: str, every_s: float, on_progress: Callable[[str], object] | None) -> dict[str, Any]:
        lost = 0
        while True:
            try:
                found = self.dialect.job(self._ask("GET", f"{self.dialect.jobs}/{job}"))
                lost = 0
            except OSError as error:
                lost += 1
                if lost >= _TRIES:
                    raise FinetuningError(
                        tr("{host} does not answer ({error}); the job {job} goes on there. Run again with --resume.",
                           host=self.host, error=error, job=job)
                    ) from error  # fmt: skip
                found = {"status": ""}
            if on_progress and found["status"]:
                on_progress(found["status"])
            if found["status"] in _OVER:
                return found
            time.sleep(every_s)

    def _state(self, resume: bool) -> dict[str, Any]:
        """What is known of the job; written before anything is paid for."""
        file = self.plan.folder / STATE
        mine = {"base": self.plan.base, "rows": facts(self.all_rows)["data"]["fingerprint"], "method": self.plan.method}
        if file.is_file():
            state: dict[str, Any] = json.loads(file.read_text("utf-8"))
            if not resume:
                raise FinetuningError(
                    tr("{folder} holds a job already. Add --resume to go on with it.", folder=self.plan.folder)
                )
            if any(state.get(name) != value for name, value in mine.items()):
                raise FinetuningError(
                    tr("{folder} holds another run's job. Take another --out.", folder=self.plan.folder)
                )
            return state
        new_folder(self.plan.folder)
        private_folder(self.plan.folder)
        state = {**mine, "suffix": secrets.token_hex(4)}
        self._keep(state)
        return state

    def _keep(self, state: Mapping[str, Any]) -> None:
        atomic_write(self.plan.folder / STATE, to_json(dict(state)))

    # ------------------------------------------------------------------------------------------------ HTTP

    def _upload(self) -> str:
        mark = secrets.token_hex(16)
        text = "".join(written(row, self.dialect) + "\n" for row in self.rows)
        body = (
            f'--{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="rows.jsonl"\r\n'
            f"Content-Type: application/jsonl\r\n\r\n{text}\r\n--{mark}--\r\n"
        ).encode()
        try:
            return str(self._sent("POST", "files", body, f"multipart/form-data; boundary={mark}")["id"])
        except (OSError, KeyError) as error:
            raise FinetuningError(
                tr("The rows could not be uploaded to {host}: {error}", host=self.host, error=error)
            ) from error

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._sent(method, path, None if body is None else to_json(dict(body)).encode(), "application/json")

    def _sent(self, method: str, path: str, body: bytes | None, kind: str) -> dict[str, Any]:
        parts = urlsplit(self.url)
        where = f"{parts.scheme}://{parts.netloc}{path}" if path.startswith("/") else f"{self.url.rstrip('/')}/{path}"
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind, "Accept": "application/json"}
        status, told = exchange(method, where, body, headers, timeout_s=_TIMEOUT_S, most=_MOST)
        if status >= 500:
            raise OSError(f"HTTP {status}")
        try:
            data = json.loads(told or b"{}")
        except ValueError:
            data = {"error": told[:200].decode("utf-8", "replace")}
        if status >= 400 or not isinstance(data, dict):
            raise _why(self.provider, status, data)
        return data


class _Refused(FinetuningError):
    """The service has answered, and the answer is no."""


def _why(provider: Provider, status: int, data: Any) -> _Refused:
    data = data if isinstance(data, dict) else {}
    error = data.get("error") or data.get("message") or ""
    reason = error.get("message") if isinstance(error, dict) else error
    closed = ""
    if provider.name == "openai" and status == 403:
        closed = tr(
            " OpenAI takes no new customers for fine-tuning since 7 May 2026, and no new jobs from 6 January 2027."
        )
    said = tr("{title} refuses (HTTP {status}): {reason}", title=provider.title, status=status, reason=reason)
    return _Refused(said + closed)
