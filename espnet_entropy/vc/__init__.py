"""Voice conversion on segments of units."""
