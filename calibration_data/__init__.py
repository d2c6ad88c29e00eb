"""Measured and literature devices that ship with the package, one folder each."""
