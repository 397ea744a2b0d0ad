"""The corpus: functions that are right, each with a mutant that is not, and sources that attack."""
