"""Stop strings: where a text ends, whole and as it streams."""

from __future__ import annotations

from collections.abc import Sequence


def cut_at(text: str, stop: Sequence[str] | None) -> tuple[str, bool]:
    """Cut a text before the first stop string in it."""
    places = [at for s in stop or () if s and (at := text.find(s)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


class StopCutter:
    """Cuts a stream at its first stop string, holding back no more than could become one."""

    def __init__(self, stop: Sequence[str] | None) -> None:
        self._stop = [s for s in stop or () if s]
        self._held = ""
        self.stopped = False

    def push(self, piece: str) -> str:
        """Take the next piece of the stream: what may go out now holds no stop string and no beginning of one."""
        if self.stopped:
            return ""
        text, self.stopped = cut_at(self._held + piece, self._stop)
        keep = 0 if self.stopped else max((overlap(text, s) for s in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """End the stream."""
        held, self._held = self._held, ""
        return held


def overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that begins `stop`: so much could still become one."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
