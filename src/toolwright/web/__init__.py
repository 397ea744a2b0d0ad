"""The HTTP door: requests go in, calls of `Toolwright` are made, JSON and events come out. It decides nothing."""
