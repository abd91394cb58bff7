"""Segments to vectors."""

# The default of models; egs2/core_sounds/RESULTS.md says why.
RECOMMENDED_AGGREGATOR = "mean"
