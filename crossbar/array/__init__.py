"""Passive things of an array: tiles, faults, half-select, periphery, placement, counters."""
