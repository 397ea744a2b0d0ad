"""An agent that writes, proves, keeps and reuses its own tools."""
