"""Measures of units, boundaries and trained models."""
