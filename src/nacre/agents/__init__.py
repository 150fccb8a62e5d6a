"""Agents: a model that thinks, acts with tools, looks at what came back, and answers."""
