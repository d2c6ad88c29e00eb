"""The front door: one call from settings to a folder of results, for Python and for `xbar`."""
