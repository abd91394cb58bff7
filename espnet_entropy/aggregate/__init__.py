"""Segments to vectors."""
