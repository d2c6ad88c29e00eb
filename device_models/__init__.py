"""Physics of one kind of device: pure functions of tensors, and records that hold their numbers.

Nothing is imported here, so that `from device_models.errors import XbarError` costs nothing.
"""
