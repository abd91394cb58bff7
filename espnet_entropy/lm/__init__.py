"""Units to predictive entropies: the unit language model."""
