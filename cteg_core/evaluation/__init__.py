"""A checkpoint measured: the network run on lines it has not seen, beside baselines and the corpus itself."""
