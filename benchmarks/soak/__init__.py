"""Many calls, some of them hostile, and what is left of them: `python -m benchmarks soak`, see `command`."""
