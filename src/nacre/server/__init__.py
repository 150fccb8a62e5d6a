"""The OpenAI-compatible server, its web page and the MCP server."""
