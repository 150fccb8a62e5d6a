"""What a stranger sends makes no new series."""

from __future__ import annotations

from nacre.server.observability.metrics import Metrics


def test_invented_methods_are_one_series() -> None:
    metrics = Metrics()
    for n in range(40):
        metrics.count(f"BREW{n}", "/v1/models", 405, 0.01)
    metrics.count("GET", "/v1/models", 200, 0.01)
    series = [line for line in metrics.text().splitlines() if line.startswith("nacre_requests_total{")]
    assert len(series) == 2 and any('method="other"' in line and line.endswith(" 40.0") for line in series)
