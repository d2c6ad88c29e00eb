"""Counters add up."""

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from crossbar.array.counters import Counters

NAMES = [f.name for f in dataclasses.fields(Counters)]
counts = st.builds(Counters, **{name: st.integers(0, 10**15) for name in NAMES})


def test_new_counters_are_zero():
    assert set(Counters().as_dict().values()) == {0}


@given(counts, counts)
def test_counters_add_and_subtract_field_by_field(a, b):
    for name in NAMES:
        assert getattr(a + b, name) == getattr(a, name) + getattr(b, name)
    assert (a + b) - b == a
    assert a - a == Counters()
    assert a + b == b + a


@given(counts)
def test_counters_survive_json(a):
    assert Counters(**json.loads(json.dumps(a.as_dict()))) == a


def test_joules_keep_their_precision_in_json():
    a = Counters(write_joules=1 / 3 * 1e-12, read_joules=7e-300)
    assert Counters(**json.loads(json.dumps(a.as_dict()))) == a
