"""Cost tables, chips, laws and the way from node to node; what is wrong with a file is named."""

import dataclasses
import re

import pytest
from xbar_energy import TOY_PRICES, toy_chip, toy_cost, toy_costs, toy_run

from crossbar.energy.adc_models import adc_area, adc_energy, isaac_joules, loglog, regression_joules
from crossbar.energy.chip import ChipSpec, chip_names, load_chip
from crossbar.energy.costs import ENTRIES, TABLES, load_costs
from crossbar.energy.estimate import estimate
from crossbar.energy.interval import Interval
from crossbar.energy.scaling import at_chip
from device_models.errors import ConfigError

ENTRY = """\
name: mine
entries:
  router_hop:
    low: 1.0e-12
    typical: 2.0e-12
    high: 4.0e-12
    unit: J
    source: a bench
    mark: P
"""


def written(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


def test_the_default_table_prices_everything():
    costs = load_costs(["default"])
    assert set(costs.entries) == set(ENTRIES)
    assert all(len(cost.source) > 20 for cost in costs.entries.values())


@pytest.mark.parametrize("name", TABLES.names())
def test_every_shipped_table_loads_over_the_default(name):
    assert set(load_costs(["default", name]).entries) >= set(ENTRIES)


def test_a_later_table_overrides_an_earlier_one(tmp_path):
    mine = written(tmp_path, ENTRY)
    costs = load_costs(["default", str(mine)])
    assert costs.name == "default + mine"
    assert costs.entries["router_hop"].span == Interval(1e-12, 2e-12, 4e-12)
    assert costs.entries["driver_row"] == load_costs(["default"]).entries["driver_row"]
    assert load_costs([str(mine), "default"]).entries["router_hop"].mark == "D"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unit: J", "unit: pJ", "mine.yaml:7:11: entries.router_hop.unit must be one of J, F, s, "),
        ("low: 1.0e-12", "low: -1.0", "mine.yaml:4:10: entries.router_hop.low = -1 is outside"),
        ("    low: 1.0e-12\n", "", "missing key entries.router_hop.low"),
        ("    source: a bench\n", "", "missing key entries.router_hop.source"),
        ("unit: J", "unit: s", "entries.router_hop.unit must be J, not 's'"),
        (
            "router_hop",
            "router_hob",
            "unknown entry 'entries.router_hob'; did you mean 'router_hop",
        ),
        (
            "low: 1.0e-12",
            "low: 3.0e-12",
            "mine.yaml:4:5: entries.router_hop: Cost.low, typical and high must rise from",
        ),
        (
            "low: 1.0e-12",
            "low: 0",
            "mine.yaml:4:5: entries.router_hop: Cost.low, typical and high must rise from",
        ),
        (
            "mark: P",
            "mark: P\n    scales: digital",
            "entries.router_hop: Cost.scales = digital needs node_nm",
        ),
        (
            "mark: P",
            "mark: P\n    node_nm: 28\n    scales: digital",
            "entries.router_hop: Cost.scales = digital needs volts",
        ),
        ("high: 4.0e-12", "high: many", "entries.router_hop.high must be a number in"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(tmp_path, old, new, message):
    path = written(tmp_path, ENTRY.replace(old, new))
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load_costs(["default", str(path)])
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_unknown_tables_and_chips_are_named_with_those_there_are():
    with pytest.raises(ConfigError, match=r"^no cost table file and no preset 'defalt'; did you m"):
        load_costs(["defalt"])
    with pytest.raises(
        ConfigError, match=r"^no chip file and no preset 'x'; presets: analog_28nm.yaml,"
    ):
        load_chip("x")
    with pytest.raises(ConfigError, match=r"^no cost table is named"):
        load_costs([])


@pytest.mark.parametrize("name", chip_names())
def test_every_value_of_a_shipped_chip_has_a_source(name):
    chip = load_chip(name)
    assert chip.name == name
    needless = {"name", "sources", "tiles", "v_read_volts", "t_read_seconds"}
    if chip.adc_kind == "none":
        needless |= {"adc_bits", "adc_share", "adc_gated"}
    assert set(chip.sources) == {field.name for field in dataclasses.fields(ChipSpec)} - needless


def test_converter_and_neurons_must_fit():
    with pytest.raises(ConfigError, match=r"^adc_kind = none does not fit neuron = digital"):
        toy_chip(adc_kind="none")
    with pytest.raises(ConfigError, match=r"^sources\.node_mn is no field of a chip; did you mean"):
        toy_chip(sources={"node_mn": "?"})


# From node to node


def at(cost, **chip):
    return at_chip(toy_costs(router_hop=cost), "router_hop", toy_chip(**chip))


def test_digital_energy_goes_with_the_square_of_the_supply_and_the_node():
    cost = toy_cost("router_hop", 8.0, node_nm=40.0, volts=1.0, scales="digital")
    scaled = at(cost, node_nm=20.0, supply_volts=0.5)
    assert scaled.value == Interval(8 / 16, 8 / 8, 8 / 4)  # half as long, a quarter of V^2
    assert scaled.original == cost.span
    assert scaled.scaled
    assert (scaled.node_nm, scaled.volts, scaled.mark) == (40.0, 1.0, "P")


def test_analog_energy_goes_with_the_node_and_never_with_its_square():
    cost = toy_cost("router_hop", 8.0, node_nm=40.0, scales="analog")
    assert at(cost, node_nm=20.0, supply_volts=0.5).value.typical == 4.0
    assert not at(cost, node_nm=40.0).scaled


def test_digital_area_goes_with_the_square_of_the_node():
    cost = toy_cost("router_area", 8.0, node_nm=40.0, scales="digital")
    chip = toy_chip(node_nm=20.0, supply_volts=0.5)
    assert at_chip(toy_costs(router_area=cost), "router_area", chip).value.typical == 2.0


def test_a_plain_constant_stays_and_is_not_scaled():
    plain = at(toy_cost("router_hop", 8.0, node_nm=40.0), node_nm=500.0)
    assert plain.value.typical == 8.0
    assert not plain.scaled


@pytest.mark.parametrize("node_nm", [180.0, 5.0])
def test_a_node_without_data_says_which_have_some(node_nm):
    message = f"node_nm = {node_nm:g} has no scaling data; there is some for 130, 90, 65, 45, 32, "
    scaled = toy_cost("router_hop", node_nm=40.0, scales="analog")
    with pytest.raises(ConfigError, match=re.escape(message)):
        at(scaled, node_nm=node_nm)
    with pytest.raises(ConfigError, match=re.escape(message)):
        estimate(toy_run(), toy_chip(node_nm=node_nm), load_costs(["default"]))


def test_an_unknown_law_is_named():
    with pytest.raises(ConfigError, match=r"entries\.router_hop\.law = 'adc_energ' is no law; did"):
        at(toy_cost("router_hop", law="adc_energ"))


# Laws


def test_a_law_follows_bits_and_node_and_its_factors_multiply():
    cost = toy_cost("adc_conversion", 1.0, law="adc_energy", node_nm=32.0, scales="analog")
    plain = adc_energy(6, 22.0)
    chip = toy_chip(adc_bits=6, node_nm=22.0)
    used = at_chip(toy_costs(adc_conversion=cost), "adc_conversion", chip)
    assert used.value == Interval(plain.low / 2, plain.typical, plain.high * 2)
    assert used.scaled
    assert used.law == "adc_energy"


@pytest.mark.parametrize("node_nm", [7.0, 22.0, 28.0, 32.0, 65.0, 130.0])
@pytest.mark.parametrize("bits", range(1, 11))
def test_laws_rise_with_bits_and_are_ordered(node_nm, bits):
    span = adc_energy(bits, node_nm)
    assert 0 < span.low < span.typical < span.high
    assert adc_area(bits, node_nm).typical > 0
    if bits > 1:
        fewer = adc_energy(bits - 1, node_nm)
        assert fewer.low < span.low
        assert fewer.typical < span.typical
        assert fewer.high <= span.high
        assert adc_area(bits - 1, node_nm).typical < adc_area(bits, node_nm).typical


def test_more_bits_than_were_published_are_refused():
    with pytest.raises(ConfigError, match=r"^adc_bits = 11 is beyond the 10 bits of the published"):
        estimate(toy_run(), toy_chip(adc_bits=11), load_costs(["default"]))
    plain = {name: toy_cost(name) for name in ("adc_conversion", "adc_area")}
    entries = load_costs(["default"]).entries | plain
    toy = toy_costs(**entries)
    assert estimate(toy_run(), toy_chip(adc_bits=11), toy).joules.typical > 100.0


def test_between_two_points_a_law_is_straight_in_loglog():
    points = {1.0: 1.0, 4.0: 16.0, 16.0: 4.0}
    assert loglog(points, 2.0) == pytest.approx(4.0, rel=1e-12, abs=0.0)
    assert loglog(points, 8.0) == pytest.approx(8.0, rel=1e-12, abs=0.0)
    assert loglog(points, 4.0) == 16.0
    assert loglog(points, 0.5) == pytest.approx(0.25, rel=1e-12, abs=0.0)
    assert loglog(points, 32.0) == pytest.approx(2.0, rel=1e-12, abs=0.0)


def test_the_regression_gives_the_energies_worked_out_from_it():
    # pJ per conversion, to the digits of the table they are from.
    for bits, node_nm, picojoules, digit in [
        (8, 22, 0.85, 0.005), (8, 32, 1.71, 0.005), (8, 65, 6.5, 0.05), (8, 130, 23.9, 0.05),
        (4, 22, 0.46, 0.005), (4, 65, 3.5, 0.05), (4, 130, 12.9, 0.05),
    ]:  # fmt: skip
        assert regression_joules(bits, node_nm) * 1e12 == pytest.approx(picojoules, abs=digit)


def test_isaacs_converter_by_bits_and_node():
    assert isaac_joules(8, 32) == pytest.approx(1.67e-12, rel=1e-12, abs=0.0)
    assert isaac_joules(8, 64) == pytest.approx(3.34e-12, rel=1e-12, abs=0.0)
    assert adc_area(8, 32).typical == pytest.approx(1200e-12, rel=1e-12, abs=0.0)
    assert set(TOY_PRICES) == set(ENTRIES)
