"""Energy, latency and area of a chip: counted events times unit costs with sources."""
