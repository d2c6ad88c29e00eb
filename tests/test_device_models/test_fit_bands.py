"""The picture of measured numbers over predicted bands, and the table it is redrawn from."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from crossbar.figures.fit import MEASURED
from crossbar.figures.fit_bands import OUTSIDE, bands, counted
from crossbar.reports.fit import quantiles_csv, read_quantiles
from device_models.errors import DataError
from device_models.fitting.predictive_checks import Check
from device_models.fitting.quantities import QUANTILES

SHIPPED = Path(__file__).parents[2] / "calibration_data"
DRAWN = (
    "enode_tabulated", "gong2018_exp", "oxram", "taox_analog", "taox_tabulated", "voltage_tables",
)  # fmt: skip
MOST_BYTES = 160_000
US = "\N{MICRO SIGN}S"


def check(name, measured, *, unit="S", labels=QUANTILES, half=0.5):
    """A quantity whose bands reach `half` to both sides of 1, 2, 3, ... of the unit."""
    middle = np.arange(1.0, 1.0 + len(labels))
    scale = 1e-6 if unit == "S" else 1.0
    return Check(
        name=name, kind="pulses", unit=unit, labels=labels, rows=100,
        measured=scale * np.array(measured), predicted=scale * middle,
        low=scale * (middle - half), high=scale * (middle + half),
    )  # fmt: skip


CHECKS = [
    check(f"SET step at 1 to 20 {US}", [1.0, 2.6, 3.1, 4.0, 9.0]),
    check(f"SET step at 20 to 50 {US}", [0.4, 2.0, 3.0, 4.0, 5.0]),
    check("LRS", [1.0, 2.0, 3.0, 4.0, 5.0]),
    check(f"read at 20 {US}, autocorrelation", [0.7], unit="", labels=("lag 1",)),
    check(f"change 0.01 s after a write to 1 to 20 {US}", [-4e3, 2.0, 3.0, 4.0, 5e3]),
    check(f"change 100 s after a write to 1 to 20 {US}", [1.0, 2.0, 3.0, 4.0, np.nan]),
    *(
        check(f"LRS, correlation of cycles {lag} apart", [1.1], unit="", labels=(f"lag {lag}",))
        for lag in (1, 10)
    ),
]


def drawn():
    """Title of each panel -> its axes."""
    figure = bands(CHECKS, title="mine")
    figure.draw_without_rendering()
    return figure, {axes.get_title(loc="left"): axes for axes in figure.axes if axes.axison}


def marks(axes, colour):
    """Horizontal positions of the marks of one colour, sorted."""
    lines = (line for line in axes.lines if line.get_marker() in ("o", "D"))
    return sorted(x for line in lines if to_hex(line.get_color()).upper() == colour.upper()
                  for x in np.asarray(line.get_xdata()))  # fmt: skip


def test_quantities_of_one_kind_share_a_panel():
    _, panels = drawn()
    rows = {name: [t.get_text() for t in axes.get_yticklabels()] for name, axes in panels.items()}
    assert rows == {
        "SET step": [f"1 to 20 {US}", f"20 to 50 {US}"],
        "LRS": [""],
        "read, autocorrelation": [f"20 {US}"],
        "LRS, correlation of cycles": ["1 apart", "10 apart"],
        "change after a write": [f"0.01 s, 1 to 20 {US}", f"100 s, 1 to 20 {US}"],
    }


def test_numbers_outside_their_band_have_the_colour_of_failure():
    _, panels = drawn()
    np.testing.assert_allclose(marks(panels["SET step"], OUTSIDE), [0.4, 2.6, 9.0])
    inside = [1.0, 2.0, 3.0, 3.1, 4.0, 4.0, 5.0]
    np.testing.assert_allclose(marks(panels["SET step"], MEASURED), inside)
    assert marks(panels["LRS"], OUTSIDE) == []
    assert len(panels["LRS"].collections) == 5


def test_every_mark_is_in_sight_whatever_the_scale():
    _, panels = drawn()
    assert panels["change after a write"].get_xscale() == "symlog"
    for axes in panels.values():
        low, high = axes.get_xlim()
        positions = marks(axes, OUTSIDE) + marks(axes, MEASURED)
        assert positions
        assert all(low < x < high for x in positions if np.isfinite(x))


def test_the_title_counts_what_lies_inside():
    figure, _ = drawn()
    title = "mine: 22 of 28 measured numbers inside the predicted 95 % band"
    assert title in [text.get_text() for part in figure.subfigs for text in part.texts]
    assert counted(CHECKS[:2]) == "7 of 10 measured quantiles inside the predicted 95 % band"


def test_a_table_of_quantiles_comes_back():
    loaded = read_quantiles(quantiles_csv(CHECKS))
    assert [c.name for c in loaded] == [c.name for c in CHECKS]
    for a, b in zip(loaded, CHECKS, strict=True):
        assert (a.unit, a.labels, a.rows) == (b.unit, b.labels, b.rows)
        for column in ("measured", "predicted", "low", "high"):
            np.testing.assert_allclose(getattr(a, column), getattr(b, column), rtol=1e-5)
    assert counted(loaded) == counted(CHECKS)
    assert quantiles_csv(loaded) == quantiles_csv(CHECKS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a table of quantiles has the columns quantity, unit, label"),
        ("a,b\n1,2\n", "a table of quantiles has the columns quantity, unit, label"),
        (quantiles_csv(CHECKS) + "LRS,S\n", "a table of quantiles has the columns"),
        (quantiles_csv(CHECKS[:1]).replace(",100,", ",many,"), "quantiles of 'SET step at"),
        (quantiles_csv(CHECKS[:1]).replace("1e-06", "one", 1), "quantiles of 'SET step at"),
    ],
)
def test_another_table_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        read_quantiles(text)


@pytest.mark.parametrize("name", DRAWN)
def test_every_shipped_table_has_its_picture(name):
    folder = SHIPPED / name
    assert {path.parent.name for path in SHIPPED.glob("*/quantiles.csv")} == set(DRAWN)
    assert read_quantiles((folder / "quantiles.csv").read_text("utf-8"))
    assert (folder / "quantiles.png").stat().st_size < MOST_BYTES
    assert "(quantiles.png)" in (folder / "SOURCE.md").read_text("utf-8")
