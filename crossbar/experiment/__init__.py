"""Gradients become pulses: policies, the trainer, the run on disk."""
