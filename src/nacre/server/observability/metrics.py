"""Figures in Prometheus' text form, without a client library: counters and two histograms."""

from __future__ import annotations

from collections import defaultdict

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # strangers can invent more of them
_BUCKETS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)


class Metrics:
    """Counts what the server does. Used from the event loop alone."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self._seconds: dict[str, list[float]] = defaultdict(lambda: [0.0] * (len(_BUCKETS) + 2))
        self._tokens: dict[tuple[str, str], int] = defaultdict(int)
        self._spent: dict[tuple[str, str], int] = defaultdict(int)
        self._abstained = 0
        self.streams = 0
        """Streams that are open now."""

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request has ended.

        Args:
            route: the pattern of its path, never the path: that would be a label a stranger can make more of.
        """
        self._requests[method if method in _METHODS else "other", route, status] += 1
        row = self._seconds[route]
        row[-2] += seconds
        row[-1] += 1
        for at, most in enumerate(_BUCKETS):
            row[at] += seconds <= most

    def answered(self, model: str, asked: int, said: int, abstained: bool) -> None:
        """An answer was given.

        Args:
            asked: tokens read.
            said: tokens written.
        """
        self._tokens[model, "input"] += asked
        self._tokens[model, "output"] += said
        self._abstained += abstained

    def spent(self, model: str, currency: str, nanos: int) -> None:
        """A call of a model was charged."""
        self._spent[model, currency] += nanos

    def text(self) -> str:
        """All figures."""
        lines = ["# TYPE nacre_requests_total counter"]
        lines += [
            f'nacre_requests_total{{method="{method}",route="{route}",status="{status}"}} {n}'
            for (method, route, status), n in sorted(self._requests.items())
        ]
        lines.append("# TYPE nacre_request_seconds histogram")
        for route, row in sorted(self._seconds.items()):
            bounds = [*map(str, _BUCKETS), "+Inf"]
            values = [*row[: len(_BUCKETS)], row[-1]]
            lines += [
                f'nacre_request_seconds_bucket{{route="{route}",le="{le}"}} {n:g}'
                for le, n in zip(bounds, values, strict=True)
            ]
            lines += [
                f'nacre_request_seconds_sum{{route="{route}"}} {row[-2]:.6f}',
                f'nacre_request_seconds_count{{route="{route}"}} {row[-1]:g}',
            ]
        lines.append("# TYPE nacre_tokens_total counter")
        lines += [
            f'nacre_tokens_total{{model="{model}",direction="{way}"}} {n}'
            for (model, way), n in sorted(self._tokens.items())
        ]
        lines.append("# TYPE nacre_spend_total counter")
        lines += [
            f'nacre_spend_total{{model="{model}",currency="{currency}"}} {nanos / 1e9:.9f}'
            for (model, currency), nanos in sorted(self._spent.items())
        ]
        lines += ["# TYPE nacre_abstentions_total counter", f"nacre_abstentions_total {self._abstained}"]
        lines += ["# TYPE nacre_open_streams gauge", f"nacre_open_streams {self.streams}"]
        return "\n".join(lines) + "\n"
