"""A large tile says what it costs before it is solved, and how far it is meanwhile."""

import numpy as np
import pytest

from crossbar.api import analysis
from crossbar.array.tile import CrossbarTile
from crossbar.wires.wires import Wires
from device_models.errors import LimitError


@pytest.fixture
def notices(monkeypatch):
    """What is told of a tile, on a machine with 8 GiB that are free."""
    monkeypatch.setattr(analysis, "free_bytes", lambda: 8 << 30)
    return []


def test_a_large_tile_says_its_cost_first(notices):
    analysis.solving(4096, 4096, notices.append)
    assert notices == [
        "solving a tile of 4,096 x 4,096: about 42 s or a few times that with lossy wires, "
        "2.3 GiB of memory"
    ]


def test_a_small_tile_is_solved_in_silence(notices):
    analysis.solving(128, 128, notices.append)(0.5)
    assert not notices


def test_more_than_five_seconds_without_a_word_tell_how_far_it_is(notices, monkeypatch):
    now = iter([0.0, 4.0, 6.0, 6.0, 7.0])
    monkeypatch.setattr(analysis.time, "monotonic", lambda: next(now))
    watch = analysis.solving(4096, 4096, notices.append)
    for done in (0.1, 0.25, 0.3):
        watch(done)
    assert notices[1:] == ["solving a tile of 4,096 x 4,096: 25%"]


def test_a_tile_beyond_the_memory_that_is_free_is_refused(notices, monkeypatch):
    monkeypatch.setattr(analysis, "free_bytes", lambda: 1 << 30)
    with pytest.raises(LimitError, match=r"takes 2\.3 GiB of memory, 1\.0 GiB are free"):
        analysis.solving(4096, 4096, notices.append)
    assert not notices


def test_a_solution_tells_the_digits_that_it_has():
    g = 10 ** np.random.default_rng(0).uniform(-6, -4, (40, 30))
    told = []
    tile = CrossbarTile(g, wires=Wires(word_ohms=20.0, bit_ohms=20.0))
    watched = tile.voltages(np.full(40, 0.2), watch=told.append)
    assert len(told) > 3
    assert told[0] == 0.0
    assert 0.8 < told[-1] <= 1.0
    assert np.array_equal(watched.amperes, tile.voltages(np.full(40, 0.2)).amperes)
