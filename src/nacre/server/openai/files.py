"""`/v1/files`: uploads, each seen by the key that made it."""

from __future__ import annotations

import os
import time
from itertools import chain
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, UploadFile
from fastapi.responses import Response, StreamingResponse

from nacre.server.auth import quotas
from nacre.server.openai.output import Paged
from nacre.server.openai.vector_stores import take_out
from nacre.server.records import Row, new_id
from nacre.server.state import Reading, Writing
from nacre.text.hygiene import clean_text

router = APIRouter(prefix="/v1/files")


@router.post("")
def upload(
    context: Writing, file: UploadFile, purpose: Annotated[str, Form(max_length=64)] = "assistants"
) -> dict[str, Any]:
    """Keep a file, which is read into a knowledge base when it is added to a vector store."""
    number, content = new_id("file"), file.file
    size = content.seek(0, os.SEEK_END)
    content.seek(0)
    records = context.state.records
    row = {
        "id": number,
        "owner": context.user.id,
        "name": plain_name(file.filename),
        "bytes": size,
        "purpose": purpose,
        "created": int(time.time()),
    }
    quotas.keep(context, "files", row)
    try:
        records.uploads.keep(number, content)
    except BaseException:
        records.change("delete from files where id = ?", number)
        records.uploads.delete(number)
        raise
    return describe(row)


@router.get("")
def files(context: Reading, page: Paged, purpose: str | None = None) -> dict[str, Any]:
    """List the user's files."""
    rows = context.state.records.select("files", "owner = ?", (context.user.id,))
    return page.of([describe(row) for row in rows if purpose in (None, row["purpose"])])


@router.get("/{file}")
def file(context: Reading, file: str) -> dict[str, Any]:
    """One file."""
    return describe(context.own("files", file))


@router.get("/{file}/content", response_model=None)
def content(context: Reading, file: str) -> Response:
    """The bytes of a file, never as something that a browser would run."""
    row = context.own("files", file)
    pieces = context.state.records.uploads.pieces(row["id"])
    named = f"attachment; filename*=utf-8''{quote(row['name'], safe='')}"
    return StreamingResponse(
        chain([next(pieces, b"")], pieces),  # what is missing is told before the answer begins
        media_type="application/octet-stream",
        headers={"content-disposition": named, "content-length": str(row["bytes"])},
    )


@router.delete("/{file}")
def delete(context: Writing, file: str) -> dict[str, Any]:
    """Delete a file, and take it out of every vector store."""
    row, records = context.own("files", file), context.state.records
    for entry in records.select("entries", "file = ?", (file,)):
        take_out(context.state, entry["store"], row)
    records.change("delete from files where id = ?", file)
    records.uploads.delete(file)
    return {"id": file, "object": "file", "deleted": True}


def plain_name(name: str | None) -> str:
    """A file's name, short, without folders, controls and other surprises; it is shown, and never used as a path."""
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
