"""The conformance suite, check by check, on the boards of `conftest`."""

import pytest


def test_conformance(board, check, may_pulse, cells):
    if check.is_destructive and not may_pulse:
        pytest.skip("it sends pulses: give --allow-pulses, and --cells for some devices alone")
    problem = check.run(board, cells)
    assert problem is None, problem
