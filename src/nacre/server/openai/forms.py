"""A multipart form passed on while it comes: no part of it is ever whole in memory, and nothing in it is taken on trust."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterable
from pathlib import PurePosixPath

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from nacre.server.openai.errors import Problem
from nacre.text.language import tr

_NAME = re.compile(rb"[\w.-]{1,64}(?:\[\])?", re.ASCII)
_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}", re.ASCII)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}", re.ASCII)
_MOST_PARTS = 64


class PassedForm:
    """Reads a form and writes it anew, with a boundary of its own and plain headers.

    Files are passed on as "audio" and the suffix of their name, which is all that a decoder looks at.

    Args:
        model: replaces the field `model`; "" leaves it.
    """

    def __init__(self, content_type: str, model: str = "") -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise _malformed()
        self._boundary = secrets.token_hex(16)
        self._model, self._files, self._parts = model, 0, 0
        self._out = bytearray()
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._dropped = self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                    "on_header_end": self._keep_header,
                    "on_headers_finished": self._open,
                    "on_part_data": self._data,
                    "on_part_end": self._close,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed() from error

    @property
    def content_type(self) -> str:
        """Of the form as it is passed on."""
        return f"multipart/form-data; boundary={self._boundary}"

    async def pieces(self, body: AsyncIterable[bytes], most: int) -> AsyncGenerator[bytes, None]:
        """The form as it is passed on.

        Args:
            most: bytes that it may have.
        """
        if self._model:
            yield self._field("model", self._model)
        got = 0
        async for piece in body:
            got += len(piece)
            if got > most:
                raise too_large(most)
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise _malformed() from error
            if self._out:
                yield bytes(self._out)
                self._out.clear()
        if not self._ended:
            raise _malformed()
        if self._files != 1:
            raise Problem(400, tr("The form needs one field `file`."), "missing_required_parameter", "file")
        yield f"--{self._boundary}--\r\n".encode()

    def _field(self, name: str, value: str) -> bytes:
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()

    def _begin(self) -> None:
        self._headers.clear()
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _malformed()

    def _keep_header(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _open(self) -> None:
        """The headers of a part are whole."""
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"")
        if kind != b"form-data" or not _NAME.fullmatch(name):
            raise _malformed()
        self._dropped = name == b"model" and bool(self._model)
        if self._dropped:
            return
        disposition, more = f'form-data; name="{name.decode()}"', ""
        if b"filename" in options:
            self._files += name == b"file"
            suffix = PurePosixPath(options[b"filename"].decode("utf-8", "replace")).suffix
            disposition += f'; filename="audio{suffix if _SUFFIX.fullmatch(suffix) else ""}"'
            given = self._headers.get(b"content-type", b"").decode("latin-1")
            more = f"Content-Type: {given if _TYPE.fullmatch(given) else 'application/octet-stream'}\r\n"
        self._out += f"--{self._boundary}\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self._dropped:
            self._out += data[start:end]

    def _close(self) -> None:
        if not self._dropped:
            self._out += b"\r\n"

    def _end(self) -> None:
        self._ended = True


def too_large(most: int) -> Problem:
    """The refusal of a file that is too large.

    Args:
        most: bytes that it may have.
    """
    return Problem(413, tr("The file is larger than {most} MiB.", most=most >> 20), "request_too_large", "file")


def _malformed() -> Problem:
    return Problem(400, tr("The body must be a multipart form with the field `file`."), "invalid_form")
