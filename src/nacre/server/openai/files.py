"""`/v1/files`: uploads, each seen by the key that made it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import PurePosixPath
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import FileResponse, Response

from nacre.server.auth import quotas
from nacre.server.auth.keys import Asker
from nacre.server.context import asker_of, state_of
from nacre.server.ingestion.filing import take_out
from nacre.server.openai.errors import not_found
from nacre.server.openai.paging import Paged
from nacre.server.records import Row, new_id
from nacre.server.state import State
from nacre.system.files import private_folder, private_opener
from nacre.text.hygiene import clean_text

router = APIRouter(prefix="/v1/files")


@router.post("")
def upload(
    request: Request, file: UploadFile, purpose: Annotated[str, Form(max_length=64)] = "assistants"
) -> dict[str, Any]:
    """Keep a file, which is read into a knowledge base when it is added to a vector store."""
    state, asker = state_of(request), asker_of(request, writing=True)
    return describe(_keep(state, asker, file.file, plain_name(file.filename), purpose))


@router.get("")
def files(request: Request, page: Paged, purpose: str | None = None) -> dict[str, Any]:
    """List the asker's files."""
    rows = state_of(request).records.select("files", "owner = ?", (asker_of(request).id,))
    return page.of([describe(row) for row in rows if purpose in (None, row["purpose"])])


@router.get("/{file}")
def file(request: Request, file: str) -> dict[str, Any]:
    """One file."""
    return describe(own_file(state_of(request), asker_of(request), file))


@router.get("/{file}/content", response_model=None)
def content(request: Request, file: str) -> Response:
    """The bytes of a file, never as something that a browser would run."""
    state = state_of(request)
    row = own_file(state, asker_of(request), file)
    return FileResponse(state.records.path(row["id"]), media_type="application/octet-stream", filename=row["name"])


@router.delete("/{file}")
def delete(request: Request, file: str) -> dict[str, Any]:
    """Delete a file, and take it out of every vector store."""
    state, asker = state_of(request), asker_of(request, writing=True)
    row = own_file(state, asker, file)
    for entry in state.records.select("entries", "file = ?", (file,)):
        take_out(state, entry["store"], row)
    state.records.change("delete from files where id = ?", file)
    state.records.path(file).unlink(missing_ok=True)
    return {"id": file, "object": "file", "deleted": True}


def own_file(state: State, asker: Asker, file: str) -> Row:
    """A file of the asker."""
    row = state.records.one("files", "id = ? and owner = ?", file, asker.id)
    if row is None:
        raise not_found(file)
    return row


def plain_name(name: str | None) -> str:
    """A file's name without folders, controls and other surprises; it is shown, and never used as a path.

    Returns:
        At most 200 characters.
    """
    last = PurePosixPath(clean_text(name or "").replace("\\", "/")).name.strip()
    kept = "".join(char for char in last if char.isprintable())
    return kept[-200:] if kept.strip(". ") else "file"


def describe(row: Row) -> dict[str, Any]:
    """A file as OpenAI describes it."""
    return {
        "id": row["id"],
        "object": "file",
        "bytes": row["bytes"],
        "created_at": row["created"],
        "filename": row["name"],
        "purpose": row["purpose"],
        "status": "processed",
    }


def _keep(state: State, asker: Asker, content: BinaryIO, name: str, purpose: str) -> Row:
    file, size = new_id("file"), content.seek(0, os.SEEK_END)
    content.seek(0)
    path = state.records.path(file)
    row = {"id": file, "owner": asker.id, "name": name, "bytes": size, "purpose": purpose, "created": int(time.time())}
    quotas.keep_file(state, asker, row)
    try:
        private_folder(path.parent)
        with open(path, "xb", opener=private_opener) as kept:
            shutil.copyfileobj(content, kept)
    except BaseException:
        state.records.change("delete from files where id = ?", file)
        path.unlink(missing_ok=True)
        raise
    return row
