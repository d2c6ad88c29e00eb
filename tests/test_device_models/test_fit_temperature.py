"""`Options.temperature_kelvin`: into tables without one, and from there into fit and prediction."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic

from device_models import physics
from device_models.errors import ConfigError
from device_models.fitting.estimators import retention
from device_models.fitting.measurements import Measurements, Retention
from device_models.fitting.options import Options
from device_models.fitting.readers import read
from device_models.fitting.simulate import simulate
from device_models.presets import load_device

HOT = Options(temperature_kelvin=400.0)
LEVELS = np.linspace(5e-6, 9e-5, 8)
HOLD_SECONDS = 5e3
KNOWN = {"read_floor": 0.005, "read_fraction": 0.0, "relax_onset_seconds": 1e-3}
MOVING = {
    "relax_sigma_siemens": 3e-7, "relax_drift_siemens": -2e-7, "relax_peak_siemens": 4e-5,
    "relax_activation_ev": 0.8,
}  # fmt: skip


def kelvins(tmp_path, text, options):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return read([path], options=options).retention[0].temperature_kelvin.tolist()


def test_a_table_without_a_temperature_takes_the_one_given(tmp_path):
    bare = "device,t_seconds,g_siemens\na,0,1e-5\na,10,2e-5\n"
    np.testing.assert_array_equal(kelvins(tmp_path, bare, Options()), [math.nan] * 2)
    assert kelvins(tmp_path, bare, HOT) == [400.0, 400.0]
    relaxed = "op,t_seconds,g_siemens\nset,0,1e-5\nrelax,5,2e-5\n"
    assert kelvins(tmp_path, relaxed, HOT) == [400.0]


def test_a_column_of_temperatures_stays_and_its_blanks_are_filled(tmp_path):
    text = "device,t_seconds,g_siemens,temperature_kelvin\na,0,1e-5,300\na,9,2e-5,\na,8,3e-5,400\n"
    assert kelvins(tmp_path, text, HOT) == [300.0, 400.0, 400.0]
    path = tmp_path / "table.csv"
    # A blank that is 400 K now is of the same bake as the row that says so: one first reading.
    assert read([path], options=HOT).retention[0].initial_siemens.tolist() == [1e-5, 3e-5, 3e-5]


@pytest.mark.parametrize("kelvin", [85.0, 199.9, 700.1, math.nan])
def test_a_temperature_that_is_none_is_refused_with_the_likely_mistake(kelvin):
    words = r"is outside \[200, 700\] K: kelvin, add 273.15 to degrees Celsius"
    with pytest.raises(ConfigError, match=words):
        Options(temperature_kelvin=kelvin)


def baked(model, kelvin, seed):
    """Readings before and after some time at a temperature, of 320 devices."""
    state = synthetic.placed(model, torch.Generator().manual_seed(seed), LEVELS, 40)
    before = synthetic.read(model, state, torch.Generator().manual_seed(seed + 1))
    noise = torch.Generator().manual_seed(seed + 2)
    later = model.advance(state, HOLD_SECONDS, generator=noise, temperature_kelvin=kelvin)
    return before, synthetic.read(model, later, noise)


def saved(path, before, after, kelvin=None):
    """A retention table; without `kelvin` it does not say the temperature."""
    column, cell = ("", "") if kelvin is None else (",temperature_kelvin", f",{kelvin}")
    rows = [
        f"{path.stem}{i},{HOLD_SECONDS},{b!r},{a!r}{cell}"
        for i, (a, b) in enumerate(zip(before.tolist(), after.tolist(), strict=True))
    ]
    header = f"device,t_seconds,g_siemens,initial_siemens{column}"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_bake_of_known_temperature_tells_the_activation_energy(tmp_path):
    truth = synthetic.truth(**KNOWN, **MOVING)
    ends = {n: getattr(truth, n) for n in ("g_min_siemens", "g_max_siemens")}
    preset = dataclasses.replace(load_device("oxram_literature"), **ends, **KNOWN)
    cold = saved(tmp_path / "cold.csv", *baked(truth, 300.0, 0), kelvin=300.0)
    hot = saved(tmp_path / "hot.csv", *baked(truth, 400.0, 10))

    def fitted(options):
        table = Retention.join(read([cold, hot], options=options).retention)
        return retention.estimate(table, preset, generator=np.random.default_rng(0), resamples=0)

    with_kelvin, without_kelvin = fitted(HOT), fitted(Options())
    assert with_kelvin.values["relax_activation_ev"] == pytest.approx(0.8, abs=0.4)
    assert "relax_activation_ev" not in without_kelvin.values
    warm, cold = (p.tables["relax_ups_siemens"][2] for p in (without_kelvin, with_kelvin))
    assert warm > 1.1 * cold


def test_a_prediction_is_made_at_the_given_temperature():
    model = synthetic.truth(**KNOWN, **MOVING | {"relax_sigma_siemens": 1e-9})
    n, seconds, kelvin = 400, 1e4, 400.0
    table = Retention(
        device=np.arange(n), time_seconds=np.full(n, seconds), g_siemens=np.full(n, 4.1e-5),
        initial_siemens=np.full(n, 4e-5), target_siemens=np.full(n, math.nan),
        temperature_kelvin=np.full(n, kelvin),
    )  # fmt: skip

    def change(temperature):
        known = dataclasses.replace(table, temperature_kelvin=np.full(n, temperature))
        simulated = simulate(
            model, Measurements(retention=(known,)), generator=torch.Generator().manual_seed(0)
        ).retention[0]
        return np.mean(simulated.g_siemens - simulated.initial_siemens)

    def decades(speed):
        return math.log10(1.0 + speed * seconds / model.relax_onset_seconds)

    speed = physics.acceleration(kelvin, model.reference_kelvin, model.relax_activation_ev)
    assert change(kelvin) / change(math.nan) == pytest.approx(
        decades(speed) / decades(1.0), rel=0.05
    )
    assert change(model.reference_kelvin) == change(math.nan)
