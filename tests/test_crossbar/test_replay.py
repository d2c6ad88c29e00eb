import json

import pytest
from xbar_replay import CASES, GOLDEN, machine, replay

RECORDED = json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", CASES)
def test_a_recorded_run_comes_out_the_same_to_the_last_bit(name):
    if RECORDED["machine"] != machine():
        pytest.skip(f"bits were recorded on {RECORDED['machine']}, this is {machine()}")
    assert replay(name) == RECORDED["runs"][name]


def test_every_recorded_run_sends_pulses_of_its_own():
    digests = [run["pulses"][0][1] for run in RECORDED["runs"].values()]
    assert len(set(digests)) == len(digests)
    assert all(count > 1 for run in RECORDED["runs"].values() for count, _ in run["pulses"])
