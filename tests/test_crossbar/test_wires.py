"""Tiles with wires against references that are not ours, and against the laws of circuits."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.array.tile import CrossbarTile, Tiling
from crossbar.experiment.array_parts import wired
from crossbar.wires import iterative, ladders, nodal, transfer
from crossbar.wires.wires import Wires, bytes_needed
from device_models.errors import ConfigError, LimitError, ShapeError

CHECKOUT = Path(__file__).resolve().parents[2]
OHMS = st.sampled_from([0.0, 0.5, 20.0, 1e3])


def reference(name):
    shared = Path(os.environ.get("XBAR_SHARED") or CHECKOUT.parent / "shared")
    path = shared / "data" / "wires" / f"ref_badcrossbar_{name}.npz"
    if not path.exists():
        pytest.skip(f"reference {path.name} is absent (XBAR_SHARED names the folder of the sets)")
    return np.load(path)


def grid(rng, rows, columns):
    """Conductances over three decades."""
    return 10.0 ** rng.uniform(-6.0, -3.0, (rows, columns))


@st.composite
def tiles(draw, faults=True):
    """A small tile with any wires, some of its lines open or bridged."""
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    g = grid(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), rows, columns)

    def some(last):
        return tuple(draw(st.sets(st.integers(0, last), max_size=1))) if last >= 0 else ()

    broken = {}
    if faults and draw(st.booleans()):
        broken = {
            "open_words": some(rows - 1),
            "open_bits": some(columns - 1),
            "bridged_words": some(rows - 2),
            "bridged_bits": some(columns - 2),
        }
        if draw(st.booleans()):  # pieces that float among them
            g = np.where(g < draw(st.sampled_from([1e-5, 1e-4])), 0.0, g)
    wires = Wires(
        draw(OHMS), draw(OHMS), draw(OHMS), draw(OHMS), draw(st.booleans()), draw(st.booleans()),
        **broken,
    )  # fmt: skip
    return g, wires


def close(a, b, relative):
    assert np.abs(a - b).max() <= relative * max(np.abs(b).max(), 1e-30)


@pytest.mark.parametrize("name", ["64", "64_lowg", "128", "128_lowg", "256", "256_lowg"])
def test_currents_are_those_of_badcrossbar(name):
    ref = reference(name)
    tile = CrossbarTile(ref["G"], wires=Wires(float(ref["r_word"]), float(ref["r_bit"])))
    close(tile.read(ref["V"].T), ref["I_out"], 1e-9)
    close(iterative.read(ref["G"], tile.wires, ref["V"].T[:2]), ref["I_out"][:2], 1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_currents_are_those_of_badcrossbar_side_by_side(seed):
    badcrossbar = pytest.importorskip("badcrossbar", reason="pip install badcrossbar==1.1.0")
    rng = np.random.default_rng(seed)
    g, v = grid(rng, *rng.integers(2, 20, 2)), rng.uniform(-0.2, 0.2, (3, 1))
    v = rng.uniform(-0.2, 0.2, (len(g), 3))
    word, bit = 10.0 ** rng.uniform(-1, 3, 2)
    solved = badcrossbar.compute(v, 1.0 / g, r_i_word_line=word, r_i_bit_line=bit)
    close(CrossbarTile(g, wires=Wires(word, bit)).read(v.T), solved.currents.output, 1e-9)
    voltages = CrossbarTile(g, wires=Wires(word, bit)).voltages(v.T)
    close(np.moveaxis(voltages.word_volts, 0, 2), solved.voltages.word_line, 1e-9)
    close(np.moveaxis(voltages.bit_volts, 0, 2), solved.voltages.bit_line, 1e-9)


@given(tiles())
def test_elimination_equals_the_nodal_solution(tile):
    g, wires = tile
    close(transfer.transfer_matrix(g, wires), nodal.transfer_matrix(g, wires), 1e-9)


@given(tiles())
def test_conjugate_gradients_equal_the_nodal_solution(tile):
    g, wires = tile
    wires = dataclasses.replace(wires, bridged_words=(), bridged_bits=())
    v = np.random.default_rng(0).uniform(0.0, 0.2, (2, len(g)))
    for found, true in zip(iterative.solve(g, wires, v), nodal.solve(g, wires, v), strict=True):
        close(found, true, 1e-7)


@given(tiles(faults=False))
def test_currents_into_every_node_add_up_to_zero(tile):
    g, wires = tile
    wires = dataclasses.replace(wires, word_ohms=wires.word_ohms + 1.0, bit_ohms=7.0)
    v = np.random.default_rng(1).uniform(-0.2, 0.2, (1, len(g)))
    (word,), (bit,), (amperes,) = nodal.solve(g, wires, v)
    device = g * (word - bit)
    end = v.T / (wires.driver_ohms + wires.word_ohms)
    first = (v.T - word[:, :1]) / (wires.driver_ohms + wires.word_ohms)
    last = (v.T - word[:, -1:]) / (wires.driver_ohms + wires.word_ohms)
    inside = -np.diff(word, axis=1) / wires.word_ohms
    into = np.hstack([first, inside]) - device
    into -= np.hstack([inside, -last if wires.drive_both_ends else 0.0 * last])
    scale = np.abs(end).max() + np.abs(device).max()
    assert np.abs(into).max() <= 1e-9 * scale
    sensed = bit[-1] / (wires.sense_ohms + wires.bit_ohms)
    if wires.ground_both_ends:
        sensed = sensed + bit[0] / (wires.sense_ohms + wires.bit_ohms)
    close(amperes, sensed, 1e-9)
    close(device.sum(0), amperes, 1e-9)  # what enters a bit line leaves it through its amplifiers


@given(tiles(), st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_superposition(tile, a, b):
    g, wires = tile
    v = np.random.default_rng(2).uniform(-1.0, 1.0, (2, len(g)))
    one, two = nodal.solve(g, wires, v).amperes
    together = nodal.solve(g, wires, (a * v[0] + b * v[1])[None]).amperes[0]
    close(together, a * one + b * two, 1e-8)


@given(tiles())
def test_reciprocity(tile):
    g, wires = tile
    # The same tile seen from its amplifiers: sources and amplifiers change places.
    turned, swapped = transfer._turned(g, wires)
    back = nodal.transfer_matrix(turned, swapped)[::-1, ::-1].T
    close(back, nodal.transfer_matrix(g, wires), 1e-9)


@given(tiles(faults=False), st.integers(0, 10**6))
def test_dissipation_never_falls_when_a_conductance_rises(tile, place):
    g, wires = tile
    wires = dataclasses.replace(wires, word_ohms=wires.word_ohms + 1.0, drive_both_ends=False)
    v = np.random.default_rng(3).uniform(-0.2, 0.2, (1, len(g)))
    more = g.copy()
    more.ravel()[place % g.size] *= 3.0

    def watts(conductances):
        word = nodal.solve(conductances, wires, v).word_volts[0]
        return float((v[0] * (v[0] - word[:, 0])).sum() / (wires.driver_ohms + wires.word_ohms))

    assert watts(more) >= watts(g) * (1.0 - 1e-9)


@given(tiles(faults=False))
def test_no_resistance_is_the_ideal_tile_and_the_limit_leads_there(tile):
    g, _ = tile
    assert (CrossbarTile(g).transfer_siemens == g.T).all()
    for ohms in (1e-3, 1e-6):
        small = transfer.transfer_matrix(g, Wires(ohms, ohms, ohms, ohms))
        close(small, g.T, 2e2 * ohms * g.max() * g.size)


@pytest.mark.parametrize("both", [False, True])
def test_what_ladders_leave_out_is_right_to_second_order(both):
    g = np.random.default_rng(0).uniform(1e-6, 1e-4, (23, 17))
    rest = []
    for ohms in (1.0, 2.0):
        wires = Wires(
            ohms, 1.5 * ohms, 3.0 * ohms, ohms, drive_both_ends=both, ground_both_ends=both
        )
        exact = transfer.transfer_matrix(g, wires).T
        left_out = exact - g * ladders.line_fractions(g, wires)
        rest.append(np.abs(left_out - ladders.coupled(g, wires)).max())
        assert rest[-1] < 0.05 * np.abs(left_out).max()
    assert 8.0 < rest[1] / rest[0] < 20.0  # the fourth power: what comes next passes two more lines


@given(tiles(faults=False))
def test_wires_never_add_current_and_ladders_are_exact_for_one_kind_of_line(tile):
    g, wires = tile
    exact = transfer.transfer_matrix(g, wires)
    # A single current may grow by sneak paths; what a row delivers in all may not.
    assert (exact.sum(0) <= g.sum(1) * (1.0 + 1e-9)).all()
    assert (exact >= -1e-12 * g.max()).all()
    for one in (
        dataclasses.replace(wires, bit_ohms=0.0, sense_ohms=0.0),
        dataclasses.replace(wires, word_ohms=0.0, driver_ohms=0.0),
    ):
        close((g * ladders.line_fractions(g, one)).T, transfer.transfer_matrix(g, one), 1e-9)


def dense_solution(g, wires, v):
    """The nodal equations in dense torch, for autograd; one driven and one sensed end."""
    rows, columns = g.shape
    n = rows * columns
    word = torch.arange(n).reshape(rows, columns)
    bit = n + word
    matrix = torch.zeros(2 * n, 2 * n, dtype=torch.float64)

    def join(a, b, s):
        nonlocal matrix
        a, b, s = a.flatten(), b.flatten(), s.expand(a.shape).flatten()
        for i, j, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
            matrix = matrix.index_put((i, j), sign * s, accumulate=True)

    one = torch.ones((), dtype=torch.float64)
    join(word, bit, g)
    join(word[:, :-1], word[:, 1:], one / wires.word_ohms)
    join(bit[:-1], bit[1:], one / wires.bit_ohms)
    source, sense = 1.0 / wires.word_ohms, 1.0 / wires.bit_ohms
    matrix = matrix.index_put((word[:, 0],) * 2, one * source, accumulate=True)
    matrix = matrix.index_put((bit[-1],) * 2, one * sense, accumulate=True)
    drive = torch.zeros(2 * n, len(v), dtype=torch.float64)
    drive = drive.index_put((word[:, 0],), v.T * source)
    return (torch.linalg.solve(matrix, drive)[bit[-1]] * sense).T


def test_gradients_equal_autograd_through_the_full_solution():
    rng = np.random.default_rng(4)
    wires = Wires(30.0, 50.0)
    g = torch.tensor(grid(rng, 6, 5), requires_grad=True)
    v = torch.tensor(rng.uniform(0.0, 0.2, (3, 6)), requires_grad=True)
    slopes = torch.tensor(rng.normal(size=(3, 5)))
    (dense_solution(g, wires, v) * slopes).sum().backward()
    tile = CrossbarTile(g.detach().numpy(), wires=wires)
    close((slopes @ torch.from_numpy(tile.transfer_siemens)).numpy(), v.grad.numpy(), 1e-9)
    exact = nodal.gradient(tile.g_siemens, wires, v.detach().numpy(), slopes.numpy())
    close(exact, g.grad.numpy(), 1e-9)


@pytest.mark.parametrize("side", ["tall", "wide"])
def test_the_smaller_side_makes_the_blocks_and_a_batch_is_its_tiles(side):
    rng = np.random.default_rng(5)
    g = grid(rng, 30, 4) if side == "tall" else grid(rng, 4, 30)
    wires = Wires(3.0, 5.0, 7.0, 11.0, drive_both_ends=True)
    both = transfer.transfer_matrix(np.stack([g, 2.0 * g]), wires)
    close(both[0], nodal.transfer_matrix(g, wires), 1e-9)
    assert (both[1] == transfer.transfer_matrix(2.0 * g, wires)).all()


def test_bad_input_is_named():
    good = np.full((3, 2), 1e-4)
    for value, words in ((-1e-6, "-1e-06 S"), (np.nan, "nan S"), (np.inf, "inf S")):
        bad = good.copy()
        bad[1, 1] = value
        with pytest.raises(LimitError, match=f"a conductance is {words}; allowed are finite"):
            CrossbarTile(bad)
    with pytest.raises(ShapeError, match=r"conductances have shape \(3,\), not \(rows, columns\)"):
        CrossbarTile([1e-4, 1e-4, 1e-4])
    with pytest.raises(ConfigError, match=r"Wires.word_ohms = -1 is outside \[0, 1e\+09\] ohm"):
        Wires(-1.0)
    with pytest.raises(ConfigError, match=r"Wires.bit_ohms = nan"):
        Wires(0.0, float("nan"))
    with pytest.raises(ShapeError, match="open_bits names line 2; a tile of 3 x 2 allows 0 to 1"):
        CrossbarTile(good, wires=Wires(open_bits=(2,)))
    tile = CrossbarTile(good, wires=Wires(1.0, 1.0))
    with pytest.raises(ShapeError, match=r"voltages have shape \(1, 2\), not \(vectors, 3 rows\)"):
        tile.read([0.1, 0.1])
    with pytest.raises(LimitError, match="a voltage is not finite; nothing was read"):
        tile.read([0.1, np.nan, 0.1])


def test_a_tile_beyond_memory_says_how_much_it_needs(monkeypatch):
    monkeypatch.setattr(transfer, "free_bytes", lambda: 2**20)
    needed = bytes_needed(512, 512) / 2**30
    with pytest.raises(LimitError, match=f"tile of 512 x 512 needs {needed:.1f} GiB; 0.0 GiB"):
        transfer.transfer_matrix(np.full((512, 512), 1e-4), Wires(1.0, 1.0))


@settings(max_examples=20)
@given(tiles(faults=False))
def test_the_estimate_of_memory_is_no_less_than_the_matrix(tile):
    g, wires = tile
    assert bytes_needed(*g.shape) >= transfer.transfer_matrix(g, wires).nbytes


@pytest.mark.parametrize(
    ("g", "broken"),
    {
        "word and bit": ([[2e-4, 0, 0], [0, 5e-5, 0]], {"open_words": (1,), "open_bits": (1,)}),
        "word alone": ([[0, 0], [1e-4, 3e-4]], {"open_words": (0,)}),
        "bit alone": ([[1e-4, 0], [3e-4, 0]], {"open_bits": (1,)}),
        "bridged": ([[0, 0], [0, 0], [3e-4, 0]], {"open_words": (0, 1), "bridged_words": (0,)}),
        "next to nothing": ([[1e-4, 0], [0, 1e-22]], {"open_words": (1,), "open_bits": (1,)}),
        "all": ([[1e-4]], {"open_words": (0,), "open_bits": (0,)}),
    }.values(),
)  # fmt: skip
@pytest.mark.parametrize("ohms", [(1.0, 2.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_a_piece_that_nothing_ties_down_carries_no_current(g, broken, ohms):
    g, wires, v = np.array(g), Wires(*ohms, 3.0, 0.0, **broken), np.full((1, len(g)), 0.3)
    tile = CrossbarTile(g, wires=wires)
    amperes = nodal.solve(g, wires, v).amperes
    for other in (tile.read(v), tile.voltages(v).amperes):
        assert np.abs(other - amperes).max() <= 1e-12 * np.abs(amperes).max()
    assert not amperes[:, list(wires.open_bits)].any()


def test_the_rest_of_a_tile_does_not_notice_a_piece_that_floats():
    wires = Wires(1.0, 2.0, 3.0, 5.0, open_words=(1,), open_bits=(1,))
    tile = CrossbarTile([[2e-4, 0.0], [0.0, 5e-5]], wires=wires)
    close(tile.read([0.3, 0.2]), np.array([0.3 / (3 + 1 + 1 / 2e-4 + 2 + 2 + 5), 0.0]), 1e-12)


def test_a_run_refuses_a_line_that_its_tiles_do_not_have():
    tiling = Tiling(20, 9, 8, 8)  # tiles of 8 and 4 rows, of 8 and 1 columns
    assert wired(Wires(1.0, 1.0, open_words=(3,), open_bits=(0,)), tiling, None) is not None
    for lines, message in (
        ({"open_words": (4,)}, "open_words names line 4; a tile of 4 x"),
        ({"open_bits": (1,)}, r"open_bits names line 1; a tile of \d x 1 allows 0 to 0"),
        ({"bridged_words": (100_000,)}, "bridged_words names line 100000"),
    ):
        with pytest.raises(ShapeError, match=message):
            wired(Wires(1.0, 1.0, **lines), tiling, None)


@pytest.mark.parametrize("name", ["word_ohms", "bit_ohms", "driver_ohms", "sense_ohms"])
def test_a_resistance_that_no_solution_tells_from_none_is_refused(name):
    with pytest.raises(ConfigError, match=f"{name} = 1e-12 is between 0 and 1e-06 ohm"):
        Wires(**{name: 1e-12})
    assert getattr(Wires(**{name: 1e-6}), name) == 1e-6
