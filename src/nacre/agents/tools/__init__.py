"""Tools for agents, made of what Nacre has: knowledge bases, the sandbox, other agents; and all others by name."""
