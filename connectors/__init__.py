"""Everything that touches the outside: model servers, embedders, sources, search engines, MCP servers."""
