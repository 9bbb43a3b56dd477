"""The lake's wiring: addresses to sources and tables, a follower's metrics and status."""
