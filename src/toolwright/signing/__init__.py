"""Floor 1: keys and signatures. Bytes go in, signatures, envelopes and certificates come out; nothing is stored."""
