"""One file per quantity: measurements in, parameters with 95 % intervals out.

Every estimator is a function of a table, the device as known so far and a numpy Generator. It is
written in sums over *units* (devices, or pieces of the only device), so that one matrix product of
bootstrap weights and sums repeats it for every resample (`bootstrap`).
"""
