"""The bundle on disk, and what turns recordings into units and segments with it."""
