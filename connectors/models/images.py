"""Images in messages, for local models that see: decoded here, never fetched from anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage

from nacre.errors import UnsupportedInputError
from nacre.extras import need
from nacre.text.language import tr

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_KINDS = ("image", "image_url", "input_image")
_MOST_PIXELS = 50_000_000


def parts_of(message: BaseMessage, text: str) -> list[dict[str, Any]]:
    """A message's content as parts that chat templates of image models know.

    Args:
        text: of the message, as the model may be given it.
    """
    content = message.content if isinstance(message.content, list) else []
    images = [part for part in content if isinstance(part, Mapping) and part.get("type") in _KINDS]
    return [*({"type": "image", "image": _decoded(part)} for part in images), {"type": "text", "text": text}]


def _decoded(part: Mapping[str, Any]) -> Any:
    said, data = _bytes_of(part)
    pillow = need("PIL.Image", install="pip install 'nacre-ai[vision]'")
    try:
        image = pillow.open(io.BytesIO(data), formats=_FORMATS)
        kind = str(image.get_format_mimetype())
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError(tr("it is larger than {most} pixels", most=_MOST_PIXELS))
        if said and kind != said.replace("image/jpg", "image/jpeg"):
            raise ValueError(tr("it says that it is {said}, and is {kind}", said=said, kind=kind))
        return image.convert("RGB")
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        why = str(error)[:200] if isinstance(error, ValueError) else type(error).__name__
        told = tr("An image cannot be read: {error}. Send PNG, JPEG, WebP, GIF or BMP.", error=why)
        raise UnsupportedInputError(told) from error


def _bytes_of(part: Mapping[str, Any]) -> tuple[str, bytes]:
    """The type that an image is said to have, and its bytes."""
    said = str(part.get("mime_type") or "")
    url = part.get("image_url") or part.get("url") or ""
    url = url.get("url") if isinstance(url, Mapping) else url
    data = part.get("base64") or part.get("data") or ""
    if isinstance(url, str) and url.startswith("data:"):
        head, _, data = url.partition(",")
        said = head.removeprefix("data:").partition(";")[0]
    elif not data:
        told = tr("A local model fetches no images from addresses. Send the image itself, as data:image/png;base64,…")
        raise UnsupportedInputError(told)
    try:
        return said, base64.b64decode(str(data), validate=True)
    except ValueError as error:
        raise UnsupportedInputError(tr("An image is no base64. Encode it anew.")) from error
