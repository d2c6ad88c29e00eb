"""Samples to spikes, one file an encoding."""
