"""Waveforms to units: frame features and k-means."""
