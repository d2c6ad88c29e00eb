"""Converters, drivers and integrating neurons: against brute force, and in a training run."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_measured import measured_file
from xbar_training import finish, same_bits, small, synthetic, trained, trainer_of, without_seconds

from crossbar.array.periphery import (
    FrontEnd,
    Periphery,
    bow,
    convert,
    make_converters,
    make_neurons,
)
from crossbar.array.tile import Tiling
from crossbar.boards.simulated import SimulatedBoard
from crossbar.experiment import checkpoint
from crossbar.snn.engines import adc as fronts
from device_models.errors import ConfigError
from device_models.presets import load_device

IDEAL = load_device("ideal")
FULL = 1e-3  # amperes


def adc(**fields):
    return Periphery(kind="adc", **fields)


def made(p, *, down=2, columns=30, tile_columns=16, seed=1):
    generator = np.random.default_rng(seed)
    return make_converters(p, down, columns, tile_columns, generator=generator)


def converted(p, amperes, *, converters=None, normals=None):
    """Currents (..., 2, 30) through the converters of `p`, full scale `FULL`; amperes again."""
    quiet = np.zeros(amperes.shape) if normals is None else normals
    code, above = convert(p, made(p) if converters is None else converters, amperes, FULL, quiet)
    return code * FULL / p.top, above


def everywhere(values):
    """Each value at every converter, (values, 2, 30)."""
    return np.broadcast_to(np.asarray(values)[:, None, None], (len(values), 2, 30)).astype(float)


# The record


def test_the_default_is_ideal_and_changes_nothing():
    p = Periphery()
    assert p.factor(0.2, 1e-7) == 1.0
    assert p.tile_seconds(1e-7) == 1e-7


@pytest.mark.parametrize(
    ("kind", "field", "value", "needs"),
    [
        ("ideal", "adc_bits", 5, "adc"),
        ("analog", "adc_range_amperes", 1e-4, "adc"),
        ("ideal", "columns_per_adc", 8, "adc"),
        ("analog", "hold_droop", 0.1, "adc"),
        ("adc", "neuron_gain_sigma", 0.1, "analog"),
        ("ideal", "neuron_saturation", 1.0, "analog"),
    ],
)
def test_a_field_that_would_do_nothing_is_refused(kind, field, value, needs):
    message = f"periphery.{field} = {value:g} does nothing with periphery.kind = {kind}; "
    with pytest.raises(ConfigError, match=f"{message}it needs kind = {needs}"):
        Periphery(kind=kind, **{field: value})


@pytest.mark.parametrize("field", [f for f in dataclasses.fields(Periphery) if f.metadata])
def test_values_just_outside_a_range_are_refused(field):
    needs = {"adc": "adc", "columns": "adc", "hold": "adc", "neuron": "analog"}
    kind = needs.get(field.name.split("_")[0], "ideal")
    ends = field.metadata["range"]
    for bad in (math.nextafter(ends.low, -math.inf), math.nextafter(ends.high, math.inf), math.nan):
        with pytest.raises(ConfigError, match=rf"\.{field.name} (= .* is outside|must be)"):
            Periphery(kind=kind, **{field.name: bad})


# One conversion


@given(bits=st.integers(1, 16), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_a_plain_converter_rounds_to_the_nearest_of_its_levels(bits, seed):
    amperes = np.random.default_rng(seed).uniform(-0.2 * FULL, 1.2 * FULL, (20, 2, 30))
    found, above = converted(adc(adc_bits=bits), amperes)
    levels = np.linspace(0.0, FULL, 2**bits)
    if bits <= 8:
        nearest = levels[np.abs(amperes[..., None] - levels).argmin(-1)]
    else:
        nearest = levels[np.clip(np.rint(amperes / levels[1]), 0, len(levels) - 1).astype(int)]
    assert_close(torch.from_numpy(found), torch.from_numpy(nearest), rtol=0.0, atol=1e-15)
    assert (above == (amperes > FULL + levels[1] / 2)).all()


@pytest.mark.parametrize("errors", [{}, {"adc_offset_lsb": 2.0}, {"adc_inl_lsb": 1.0}])
def test_the_transfer_is_monotone_and_uses_the_levels(errors):
    p = adc(adc_bits=6, **errors)
    found, _ = converted(p, everywhere(np.linspace(-0.1 * FULL, 1.1 * FULL, 2000)))
    assert (np.diff(found, axis=0) >= 0.0).all()
    assert found.min() == 0.0
    assert_close(found.max(), FULL, rtol=1e-12, atol=0.0)


def test_a_bow_has_the_stated_peak_and_leaves_the_ends():
    converters = made(adc(adc_inl_lsb=3.0))
    deviation = bow(everywhere(np.linspace(0.0, 1.0, 2001)), converters.parabola, converters.cubic)
    peaks = np.abs(deviation).max(0)
    assert_close(peaks, np.full((2, 30), 3.0), rtol=1e-4, atol=0.0)
    assert np.abs(deviation[[0, -1]]).max() < 1e-12
    assert np.unique(converters.parabola).size == 60
    halves = deviation[500], deviation[1500]
    assert (np.abs(halves[0] - halves[1]) > 0.1).any()  # the cubic is at work


def test_a_stuck_converter_gives_its_code_whatever_the_input_and_is_never_clipped():
    p = adc(adc_bits=5, adc_stuck_share=1.0)
    converters = made(p)
    found, above = converted(p, everywhere([0.0, 0.3 * FULL, 5 * FULL]), converters=converters)
    assert_close(found, everywhere(np.ones(3)) * converters.stuck * FULL / 31, rtol=1e-12, atol=0.0)
    assert not above.any()
    assert np.unique(converters.stuck).size > 20
    assert set(np.unique(converters.stuck)) <= set(range(32))


def test_as_many_converters_are_stuck_as_stated():
    stuck = made(adc(adc_stuck_share=0.1), down=10, columns=4000).stuck >= 0
    assert abs(stuck.mean() - 0.1) < 5 * math.sqrt(0.1 * 0.9 / stuck.size)


def test_spreads_are_those_stated():
    """40,000 converters: a spread is known to 0.35 %; 5 sigma."""
    p = adc(adc_offset_lsb=2.0, adc_gain_sigma=0.05)
    converters = made(p, down=10, columns=4000)
    for found, sigma in ((converters.offset, 2.0), (converters.gain - 1.0, 0.05)):
        assert abs(found.std() / sigma - 1.0) < 5 / math.sqrt(2 * found.size)
        assert abs(found.mean()) < 5 * sigma / math.sqrt(found.size)


def test_conversion_noise_is_in_lsb_before_rounding():
    p = adc(adc_bits=12, adc_noise_lsb=7.0)
    normals = np.random.default_rng(3).standard_normal((500, 2, 30))
    found, _ = converted(p, everywhere(np.full(500, FULL / 2)), normals=normals)
    codes = found / FULL * 4095
    expected = math.sqrt(7.0**2 + 1 / 12)  # and the rounding
    assert abs(codes.std() / expected - 1.0) < 5 / math.sqrt(2 * codes.size)


# Sharing a converter


def test_columns_that_share_a_converter_share_its_errors_within_their_tile():
    errors = {"adc_offset_lsb": 1.0, "adc_gain_sigma": 0.1, "adc_inl_lsb": 1.0}
    converters = made(adc(columns_per_adc=4, adc_stuck_share=0.3, **errors))
    # Tiles of 16 columns, four converters each; the second tile has 14 columns.
    owner = np.r_[np.repeat(range(4), 4), np.repeat(range(4, 8), 4)[:14]]
    for part in converters:
        for tile in part:
            firsts = np.array([tile[owner == one][0] for one in range(8)])
            assert (tile == firsts[owner]).all()
    for name in ("gain", "offset", "parabola", "cubic"):
        assert np.unique(getattr(converters, name)).size == 16


def test_a_converter_never_serves_two_tiles():
    converters = made(adc(columns_per_adc=1000, adc_offset_lsb=1.0))
    assert [np.unique(tile).size for tile in converters.offset] == [2, 2]
    assert np.unique(converters.offset[0, :16]).size == 1


def test_a_held_current_droops_with_its_place_in_the_queue():
    gain = made(adc(columns_per_adc=4, hold_droop=0.1)).gain
    expected = 0.9 ** (np.arange(30) % 16 % 4)
    assert_close(gain, np.tile(expected, (2, 1)), rtol=1e-12, atol=0.0)


def test_the_queue_takes_its_time():
    assert adc(columns_per_adc=8, adc_seconds=2e-9).tile_seconds(1e-7) == pytest.approx(1.16e-7)
    assert Periphery(kind="analog").tile_seconds(1e-7) == 1e-7


def test_silencing_one_error_moves_no_other():
    every = {"adc_offset_lsb": 1.0, "adc_gain_sigma": 0.1, "adc_inl_lsb": 1.0}
    whole = made(adc(adc_stuck_share=0.3, **every))
    for name, part in (("adc_offset_lsb", "offset"), ("adc_gain_sigma", "gain")):
        rest = made(adc(adc_stuck_share=0.3, **(every | {name: 0.0})))
        for field in whole._fields:
            same = (getattr(whole, field) == getattr(rest, field)).all()
            assert same == (field != part)


# Drivers and devices


def test_the_share_of_a_slow_driver_is_the_charge_of_an_exponential_rise():
    t = (np.arange(200_000) + 0.5) / 200_000 * 1e-7
    for tau in (1e-9, 3e-8, 1e-6):
        charge = float((1.0 - np.exp(-t / tau)).mean())
        p = Periphery(driver_rise_seconds=tau)
        assert_close(p.charge_fraction(1e-7), charge, rtol=1e-6, atol=0.0)


def test_a_chord_is_that_of_the_sinh_law():
    p = Periphery(iv_volts=0.5, iv_reference_volts=0.1)

    def current(v):
        return 0.5 * math.sinh(v / 0.5)

    volts = np.array([-0.4, 0.0, 1e-6, 0.1, 0.3])
    limit = (0.1 / current(0.1)) * np.array([current(v) / v if v else 1.0 for v in volts])
    assert_close(p.chord(volts), limit, rtol=1e-12, atol=0.0)
    assert p.chord(0.1) == pytest.approx(1.0, rel=1e-12)


def fitted_v0(volts, amperes):
    """v0 of I = G v0 sinh(V / v0) + offset by least squares on a grid; inf for a straight line."""
    best = (np.inf, np.inf)
    for v0 in (*np.geomspace(0.05, 10.0, 120), np.inf):
        x = volts if np.isinf(v0) else v0 * np.sinh(volts / v0)
        columns = np.stack((x, np.ones_like(x)), 1)
        rest = amperes - columns @ np.linalg.lstsq(columns, amperes, rcond=None)[0]
        best = min(best, (float(rest @ rest), v0))
    return best[1]


def test_a_sinh_law_is_found_again():
    volts = np.linspace(0.0, 0.35, 36)
    found = fitted_v0(volts, 3e-5 * 0.4 * np.sinh(volts / 0.4) - 2e-6)
    assert found == pytest.approx(0.4, rel=0.05)


def test_measured_oxide_cells_have_the_v0_that_the_docstring_says():
    """Every fourth of 1,024 cells; whole array: median 0.64 V, quartiles 0.38 and 1.10 V."""
    with np.load(measured_file("stanford_1t1r_nirram/nirram.npz"), allow_pickle=False) as file:
        volts, amperes = file["iv_V"].astype(float), file["iv_I"].astype(float)
    found = [fitted_v0(volts, cell) for cell in amperes[::4]]
    assert np.quantile(found, [0.25, 0.5, 0.75], method="nearest") == pytest.approx(
        [0.38, 0.64, 1.10], rel=0.15
    )


# A board


def board_of(periphery, *, range_amperes=None, rows=20, columns=12):
    """A noiseless board of tiles of 8 x 5 with random conductances."""
    p, tiling = periphery, Tiling(rows, columns, 8, 5)
    converters = make_converters(p, 3, columns, 5, generator=np.random.default_rng(5))
    neurons = make_neurons(p, columns, generator=np.random.default_rng(6))
    front = FrontEnd(p, converters, neurons, p.factor(0.2, 1e-7), 0.2, range_amperes)
    board = SimulatedBoard(
        IDEAL, tiling, torch.ones(rows, columns, dtype=torch.bool),
        v_read_volts=0.2, t_read_seconds=1e-7, seed=3, index=0, front_end=front,
    )  # fmt: skip
    g = np.random.default_rng(7).uniform(1e-6, 1e-3, (rows, columns))
    board.restore(board.state._replace(g=torch.from_numpy(g).to(board.state.g.dtype)))
    return board


def some_volts(board, share=0.4):
    generator = np.random.default_rng(8)
    driven = generator.random((50, board.info.shape[0])) < share
    driven[:10, :8] = False  # a tile without a driven line
    return torch.from_numpy(0.2 * driven).float()


def test_16_bits_of_a_wide_range_are_ideal_to_half_an_lsb_per_tile():
    board = board_of(adc(adc_bits=16), range_amperes=2e-3)
    volts = some_volts(board)
    ideal = (volts.double() @ board.g.double()).float()
    bound = 3 * 0.5 * 2e-3 / 65535 + 1e-9
    assert float((board.vmm(volts) - ideal).abs().max()) < bound
    assert board.counters.clipped_conversions == 0


def test_a_board_converts_tile_by_tile_and_counts_what_it_clips():
    p = adc(adc_bits=4, adc_offset_lsb=0.7, adc_inl_lsb=0.5, adc_stuck_share=0.1)
    board = board_of(p, range_amperes=3e-4)
    volts, made_here = some_volts(board), board.front_end.converters
    found, expected, clipped = board.vmm(volts), np.zeros((50, 12)), 0
    for vector in range(50):
        for tile in range(3):
            own = slice(8 * tile, 8 * tile + 8)
            if not volts[vector, own].any():
                continue
            for column in range(12):
                current = float(volts[vector, own].double() @ board.g[own, column].double())
                x = current / (3e-4 / 15) + made_here.offset[tile, column]
                u = min(max(x / 15, 0.0), 1.0)
                a, b = made_here.parabola[tile, column], made_here.cubic[tile, column]
                x += u * (1 - u) * (a + b * (1 - 2 * u))
                code = min(max(round(x), 0), 15)
                if made_here.stuck[tile, column] >= 0:
                    code = made_here.stuck[tile, column]
                else:
                    clipped += round(x) > 15
                expected[vector, column] += code * 3e-4 / 15
    assert_close(found, torch.from_numpy(expected).float(), rtol=1e-6, atol=1e-10)
    assert board.counters.clipped_conversions == clipped > 0


def test_a_board_without_a_range_converts_nothing():
    board = board_of(adc())
    with pytest.raises(ConfigError, match=r"no range; set periphery.adc_range_amperes"):
        board.vmm(some_volts(board))
    assert board.counters.column_conversions == 0


def test_slow_drivers_and_curved_devices_scale_the_currents_of_a_board():
    p = Periphery(driver_rise_seconds=3e-8, iv_volts=0.3, iv_reference_volts=0.1)
    board = board_of(p)
    volts = some_volts(board)
    expected = (volts @ board.g) * p.factor(0.2, 1e-7)
    assert_close(board.vmm(volts), expected, rtol=1e-5, atol=1e-9)


# A run

QUIET = {"network": {"sigma_init": 0.05}}  # the readout is driven from the start


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2])
def test_a_measured_range_leaves_the_stated_share_above(share):
    """By brute force over the driven tiles of the hidden layer."""
    trainer = trainer_of(small(periphery=adc(adc_clip_share=share), tile_rows=100), synthetic())
    trainer.start()
    layer, events = trainer.layers[0], trainer.data.train_events
    currents = []
    g = layer.board.g.double().numpy()
    for sample in range(32):
        own = slice(events.offsets[sample], events.offsets[sample + 1])
        rows, times = events.rows[own].astype(int), events.times[own]
        for place in sorted(set(zip(times, rows // 100, strict=True))):
            here = rows[(times == place[0]) & (rows // 100 == place[1])]
            currents.append(0.2 * g[here].sum(0))
    above = (np.concatenate(currents) > layer.board.front_end.range_amperes * (1 + 1e-6)).mean()
    assert above <= share
    assert above > 0.9 * share - 1e-3


def test_a_layer_that_no_event_reaches_gets_the_largest_current_of_a_tile():
    trainer = trainer_of(small(periphery=adc(), network={"sigma_init": 1e-6}), synthetic())
    trainer.start()
    assert trainer.rows[0]["spikes_per_inference"]["total"] == 0.0
    board = trainer.layers[1].board
    assert board.front_end.range_amperes == pytest.approx(float(0.2 * board.g.sum(0).max()))


def test_16_bits_evaluate_as_no_converter_and_one_bit_does_not():
    trainer = trained(small(epochs=1, device="ideal.yaml", **QUIET), synthetic())
    plain = trainer.evaluate_with(Periphery())
    fine = trainer.evaluate_with(adc(adc_bits=16, adc_clip_share=0.0))
    coarse = trainer.evaluate_with(adc(adc_bits=1))
    assert np.abs(fine.losses - plain.losses).mean() < 0.02 * plain.losses.mean()
    assert (fine.predictions == plain.predictions).mean() > 0.95
    assert np.abs(coarse.losses - plain.losses).mean() > 0.1 * plain.losses.mean()


def test_evaluating_with_a_periphery_changes_nothing():
    config = small(epochs=1, device="oxram.yaml")
    one, other = trained(config, synthetic()), trained(config, synthetic())
    own = one.evaluate_with(Periphery())
    assert float((own.predictions == one.data.test_labels).mean()) == one.rows[-1]["test_accuracy"]
    one.evaluate_with(adc(adc_bits=4, adc_noise_lsb=1.0))
    one.evaluate_with(Periphery(kind="analog", neuron_gain_sigma=0.2))
    same_bits(one, other)
    assert one.layers[0].board.front_end is None
    for trainer in (one, other):
        finish(trainer, 2)
    same_bits(one, other)


NOISY = {
    "adc": adc(adc_bits=6, adc_noise_lsb=0.5, adc_offset_lsb=0.5, adc_calibrate_every=2),
    "analog": Periphery(kind="analog", neuron_gain_sigma=0.1, neuron_offset=0.01, neuron_leak=0.01),
}
each_noisy = pytest.mark.parametrize("periphery", NOISY.values(), ids=NOISY)


@each_noisy
def test_runs_repeat_and_do_not_depend_on_the_number_of_threads(periphery):
    config = small(periphery=periphery, device="oxram.yaml", **QUIET)
    one = trained(config, synthetic())
    same_bits(one, trained(config, synthetic(), threads=2))
    plain = trained(small(device="oxram.yaml", **QUIET), synthetic())
    assert one.rows[-1]["test_loss"] != plain.rows[-1]["test_loss"]


@each_noisy
def test_a_resumed_run_equals_an_uninterrupted_one(periphery):
    config = small(periphery=periphery, device="oxram.yaml", **QUIET)
    whole = trained(config, synthetic())
    part = trainer_of(config, synthetic())
    part.start()
    finish(part, 1)
    resumed = trainer_of(config, synthetic())
    checkpoint.restore(resumed, checkpoint.save(part, part.conductances()))
    finish(resumed, 2)
    same_bits(whole, resumed)


def test_a_row_tells_of_the_periphery_only_where_there_is_one():
    plain = trained(small(epochs=0), synthetic())
    assert "periphery" not in without_seconds(plain.rows)[0]
    trainer = trained(small(epochs=1, periphery=adc(adc_bits=5, columns_per_adc=4)), synthetic())
    told = trainer.rows[-1]["periphery"]
    assert (told["kind"], told["bits"]) == ("adc", 5)
    assert told["tile_seconds"] == pytest.approx(1e-7 + 4e-9)
    counted = sum(layer.board.counters.clipped_conversions for layer in trainer.layers)
    assert sum(row["periphery"]["clipped_conversions"] for row in trainer.rows) == counted
    share = told["clipped_conversions"] / trainer.rows[-1]["reads"]["column_conversions"]
    assert told["clipped_share"] == share


def test_a_fixed_range_that_is_too_small_is_told_once():
    told = []
    config = small(epochs=1, periphery=adc(adc_range_amperes=1e-7))
    trainer = trainer_of(config, synthetic())
    trainer._notice = told.append
    trainer.start()
    finish(trainer, 1)
    share = trainer.rows[0]["periphery"]["clipped_share"]
    assert share > 0.01
    assert told == [
        f"{share:.1%} of the conversions of this epoch were above the range of 1e-07 A and "
        "clipped; raise periphery.adc_range_amperes, or leave it out to have the range measured"
    ]
    assert trainer.layers[0].board.front_end.range_amperes == 1e-7


def test_a_wide_fixed_range_is_no_news():
    trained(small(epochs=1, periphery=adc(adc_range_amperes=1.0)), synthetic())  # warns = fails


@pytest.mark.parametrize("kind", ["adc", "analog"])
def test_dale_is_refused_before_anything_is_programmed(kind):
    with pytest.raises(ConfigError, match="the dale mapping reads the rows of either sign"):
        trainer_of(small(mapping="dale", periphery=Periphery(kind=kind)), synthetic())


@pytest.mark.parametrize("mapping", ["one_sided", "pair", "reference_column", "bit_sliced"])
def test_combined_columns_are_the_weights_of_a_mapping(mapping):
    layer = trainer_of(small(mapping=mapping), synthetic()).layers[0]
    terms = fronts.combination(layer.mapping)
    g = torch.rand(layer.board.info.shape, dtype=torch.float64)
    combine = np.zeros((layer.mapping.columns, layer.mapping.outputs))
    combine[terms.columns, terms.outputs] = terms.factors
    found = torch.from_numpy(g.numpy() @ combine / layer.mapping.g_unit_siemens)
    assert_close(found, layer.mapping.weights(g), rtol=1e-9, atol=1e-9 * float(found.abs().max()))
