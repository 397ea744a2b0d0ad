"""Floor 1: language models; the provider library lives in this package and nowhere else."""
