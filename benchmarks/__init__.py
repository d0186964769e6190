"""Measurements of the portal against yardsticks, in ratios of one run. `make bench`, `make bench-quick`."""
