"""File formats: tables, arks, sound files, dumps, checkpoints."""
