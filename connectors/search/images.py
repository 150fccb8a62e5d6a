"""Pictures from an OpenAI-compatible `images/generations` interface, saved to a folder."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from nacre.connectors.safe_http import fetch
from nacre.connectors.search.results import ask
from nacre.errors import ToolError
from nacre.system.files import private_file, private_folder
from nacre.text.language import tr

_KINDS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"RIFF": "webp", b"GIF8": "gif"}
MAX_BYTES = 64 << 20


@dataclass(eq=False, repr=False)
class ImageMaker:
    """Makes pictures from descriptions and saves them to a folder, made when missing; `size` is width and height in
    pixels, "1024x1024", `timeout_s` is for one picture.
    """

    base_url: str
    model: str
    _: KW_ONLY
    key: str = ""
    folder: str | Path = "images"
    size: str = "1024x1024"
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        self.base_url, self.folder = self.base_url.rstrip("/"), Path(self.folder)

    def make(self, description: str) -> Path:
        """Make one picture."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        body = {"model": self.model, "prompt": description, "n": 1, "size": self.size}
        url = f"{self.base_url}/images/generations"
        picture = self._picture(ask(url, body=body, timeout_s=self.timeout_s, headers=headers, max_bytes=MAX_BYTES))
        kind = next((kind for mark, kind in _KINDS.items() if picture.startswith(mark)), "")
        if not kind:
            raise ToolError(tr("The interface gave something that is no picture."), tool="make_image")
        private_folder(folder := Path(self.folder))
        file = folder / f"{hashlib.sha256(picture).hexdigest()[:16]}.{kind}"
        private_file(file)
        file.write_bytes(picture)
        return file

    def _picture(self, data: object) -> bytes:
        rows = data.get("data") if isinstance(data, dict) else None
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
        if isinstance(row.get("b64_json"), str):
            try:
                return base64.b64decode(row["b64_json"], validate=True)
            except binascii.Error:
                return b""
        if isinstance(row.get("url"), str):
            return fetch(
                row["url"],
                allow_private=row["url"].startswith(self.base_url.rpartition("/")[0]),
                max_bytes=MAX_BYTES,
                timeout_s=self.timeout_s,
            ).body
        return b""
