"""Entropies to segment boundaries at a calibrated rate."""

# The default of models, commands and `Segmentation`; egs2/core_sounds/RESULTS.md says why.
RECOMMENDED_SEGMENTER = "dp"
