"""Floor 1: where tools and runs are kept, behind one Store protocol."""
