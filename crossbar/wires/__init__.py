"""Word and bit lines with resistance: what a tile of devices really delivers."""
