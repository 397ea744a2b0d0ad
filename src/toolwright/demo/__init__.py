"""The demo: two small servers that stand for public ones, a script for the model, and the tasks."""
