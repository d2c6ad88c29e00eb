"""The front panel of an instrument: a local web page of its array, without a network or a build."""
