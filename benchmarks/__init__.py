"""The claims about speed and size, each reproducible: ``python -m benchmarks`` prints them as tables."""
