"""What a running server tells: health, metrics, traces, spans, spending."""
