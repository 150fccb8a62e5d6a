"""A small MCP server: the tides of three harbours. 一个小型 MCP 服务器：三个港口的潮汐。"""

from mcp.server.mcpserver import MCPServer

TIDES = {"Lantern Bay": "14:20", "Gull Point": "15:05", "月牙湾": "13:40"}
server = MCPServer("tides")


@server.tool()
def high_tide(harbour: str) -> str:
    """The time of today's high tide at a harbour."""
    return TIDES.get(harbour) or f"unknown harbour; known are {', '.join(TIDES)}"


if __name__ == "__main__":
    server.run("stdio")
