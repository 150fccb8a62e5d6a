"""OpenTelemetry spans of a stack: every layer, model call, retrieval, tool and program, after the GenAI conventions.

    from nacre.telemetry import GenAISpans
    model.invoke(question, {"callbacks": [GenAISpans()]})

They go to whatever tracer provider the program has; `export` makes one from the usual `OTEL_*` environment variables.
"""

from nacre.telemetry.spans import GenAISpans, export

__all__ = ["GenAISpans", "export"]
