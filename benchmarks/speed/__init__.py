"""Speed beside peers and limits: python -m benchmarks.speed (make bench, make bench-gpu)."""
