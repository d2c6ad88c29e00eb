"""Synapses: a mapping and a board, and the policies that turn wanted changes into pulses."""
