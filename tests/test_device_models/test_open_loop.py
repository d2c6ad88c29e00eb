"""Levels after a full SET or RESET: their distribution, and how it divides over devices and cycles.

Statistical limits are 5 sigma, two-sided (false alarm 6e-7), on fixed seeds; twins show the power.
"""

import dataclasses
import math

import pytest
import torch
from torch.testing import assert_close
from xbar_devices import at, gen, program, quiet
from xbar_stats import z_of_share

from device_models.errors import ConfigError
from device_models.open_loop import Levels, full_level, levels
from device_models.presets import load_device

SHAPE = (200, 200)
ONES = torch.ones(SHAPE, dtype=torch.int32)
P = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
TWO_MODES = (1e-6, 2e-6, 3e-6, 5e-6, 8e-6, 9e-5, 1e-4)
WIDE = quiet(load_device("oxram_literature"), g_min_siemens=1e-9, g_max_siemens=1e-1)
TABLES = {
    "full_levels": P,
    "full_set_quantiles_siemens": tuple(10 * q for q in TWO_MODES),
    "full_reset_quantiles_siemens": TWO_MODES,
}
LOG_NORMAL = {
    "full_set_siemens": 1e-4,
    "full_set_sigma": 0.1,
    "full_reset_siemens": 1e-5,
    "full_reset_sigma": 0.6,
}
each_way = pytest.mark.parametrize("sign", [1, -1], ids=["SET", "RESET"])


def drawn(model, sign, traits=None, seed=1):
    return full_level(model, sign, SHAPE, traits or {}, generator=gen(seed))


def z_of_correlation(a, b, rho):
    """Distance of a correlation from `rho`: R. A. Fisher's transform (normal samples)."""
    found = float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]).double())[0, 1])
    return (math.atanh(found) - math.atanh(rho)) * math.sqrt(a.numel() - 3)


def scores(g, law):
    """Normal scores of log-normal levels."""
    return (g.double() / law.median_siemens).log() / law.sigma


@each_way
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_scores_of_two_cycles_of_a_device_correlate_by_its_share(sign, share):
    shares = {"full_set_d2d_share": share, "full_reset_d2d_share": share}
    model = dataclasses.replace(WIDE, **LOG_NORMAL, **shares)
    traits = model.manufacture(SHAPE, generator=gen()).traits
    law = levels(model, sign)
    first, second = (scores(drawn(model, sign, traits, seed), law) for seed in (1, 2))
    assert abs(z_of_correlation(first, second, share)) < 5
    assert abs(z_of_correlation(first, second, share + 0.05)) > 5
    assert float(first.std()) == pytest.approx(1.0, abs=5 / math.sqrt(2 * first.numel()))


@each_way
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_a_table_is_the_measured_distribution_whatever_the_share(sign, share):
    shares = {"full_set_d2d_share": share, "full_reset_d2d_share": share}
    model = dataclasses.replace(WIDE, **TABLES, **shares)
    g = drawn(model, sign, model.manufacture(SHAPE, generator=gen()).traits)
    table = levels(model, sign).quantiles_siemens
    for p, q in list(zip(P, table, strict=True))[1:-1]:
        assert abs(z_of_share(g <= q, p)) < 5
    ends = torch.tensor([table[0], table[-1]])
    assert_close(torch.stack([g.min(), g.max()]), ends, rtol=1e-5, atol=0.0)


def test_a_table_of_a_log_normal_is_the_log_normal():
    z = torch.linspace(-2.3, 2.3, 401, dtype=torch.float64)
    at_p = torch.tensor(P, dtype=torch.float64)
    q = 3e-5 * torch.exp(0.7 * torch.special.ndtri(at_p))
    table = Levels(1.0, probabilities=P, quantiles_siemens=tuple(q.tolist()))
    assert_close(table.at(z), Levels(3e-5, 0.7).at(z), rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("law", [LOG_NORMAL, TABLES], ids=["log-normal", "table"])
def test_an_abrupt_set_leaves_a_device_at_its_own_level(law):
    model = dataclasses.replace(WIDE, set_kind="abrupt", full_set_d2d_share=1.0, **law)
    state = at(model, torch.full(SHAPE, 0.5))
    own = levels(model, 1).at(state.traits["set_level_score"])
    assert_close(program(model, state, ONES).state.g, own, rtol=1e-6, atol=0.0)
    some = ONES.clone()
    some[::2] = 0  # the score of the pulsed devices, not of the first ones
    after = program(model, state, some).state.g
    assert_close(after[1::2], own[1::2], rtol=1e-6, atol=0.0)


def test_shares_redraw_nothing_and_a_gradual_set_knows_no_level():
    oxram = load_device("oxram_literature")
    shares = {"full_set_d2d_share": 0.5, "full_reset_d2d_share": 0.5, "full_set_siemens": 1e-4}
    everything = {"slow_fraction": 0.1, "endurance_pulses": 1e9, "stuck_low_share": 0.1}
    plain = dataclasses.replace(oxram, **everything)
    with_levels = dataclasses.replace(plain, **shares)
    before, after = (m.manufacture(SHAPE, generator=gen()) for m in (plain, with_levels))
    assert after.traits.keys() - before.traits.keys() == {"set_level_score", "reset_level_score"}
    assert all(torch.equal(after.traits[n], before.traits[n]) for n in before.traits)
    assert torch.equal(after.dynamics["slow"], before.dynamics["slow"])
    moved = [program(m, s, ONES).state.g for m, s in ((plain, before), (with_levels, after))]
    assert torch.equal(*moved)


def test_levels_stay_in_the_window_and_default_to_its_bounds():
    tight = dataclasses.replace(WIDE, g_min_siemens=1e-6, g_max_siemens=1e-4)
    for sign, bound in ((1, 1e-4), (-1, 1e-6)):
        assert_close(drawn(tight, sign), torch.full(SHAPE, bound), rtol=1e-6, atol=0.0)
    g = drawn(dataclasses.replace(tight, **TABLES), 1)
    assert float(g.max()) == pytest.approx(1e-4, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"full_levels": ()}, "full_set_quantiles_siemens needs full_levels"),
        ({"full_levels": P[::-1]}, "rise within"),
        ({"full_levels": (0.0, *P[1:])}, "rise within"),
        ({"full_levels": P[:-1]}, "must hold 6 numbers, as full_levels, not 7"),
        ({"full_reset_quantiles_siemens": TWO_MODES[::-1]}, "full_reset.* must not fall"),
        ({"full_set_quantiles_siemens": (0.0, *TWO_MODES[1:])}, "must be positive"),
        ({"full_reset_siemens": 6e-6}, "full_reset_siemens = 6e-06 is not the median of"),
    ],
)
def test_tables_that_are_none_or_contradict_are_refused(change, text):
    with pytest.raises(ConfigError, match=text):
        dataclasses.replace(WIDE, **TABLES | change)


def test_an_abrupt_set_needs_a_level_or_a_table():
    with pytest.raises(ConfigError, match="set_kind abrupt needs full_set_siemens"):
        dataclasses.replace(WIDE, set_kind="abrupt")
    assert dataclasses.replace(WIDE, set_kind="abrupt", **TABLES).full_set_siemens is None
    assert dataclasses.replace(WIDE, full_reset_siemens=5.01e-6, **TABLES).full_levels == P
