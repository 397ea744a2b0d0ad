"""The MCP server: requests of clients go in, calls of `Toolwright` come out; it translates and decides nothing."""
