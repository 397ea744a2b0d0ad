"""Fuzzing what a hostile guest, server or host can write to: `python -m benchmarks fuzz`, see `command`."""
