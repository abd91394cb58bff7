"""Entropies to segment boundaries at a calibrated rate."""
