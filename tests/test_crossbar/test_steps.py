"""Steps of many devices at once against those of their model."""

import pytest
import torch
from torch.testing import assert_close
from xbar_devices import all_devices, at, gen

from crossbar.synapses.step_estimates import Steps

DEVICES = all_devices()
LAWFUL = {name: model for name, model in DEVICES.items() if model.step_law(1)}
POLARITIES = {
    "by row": torch.tensor([1, -1, -1, 1], dtype=torch.int8)[:, None].expand(4, 9).contiguous(),
    "mixed": torch.where(torch.rand(4, 9, generator=gen()) > 0.5, 1, -1).to(torch.int8),
}


@pytest.mark.parametrize("polarity", POLARITIES.values(), ids=POLARITIES)
@pytest.mark.parametrize("model", LAWFUL.values(), ids=LAWFUL)
def test_steps_of_laws_are_those_of_the_model(model, polarity):
    g = at(model, torch.rand(4, 9, generator=gen(1))).g
    before, device = g.clone(), torch.randperm(36, generator=gen(2)).view(4, 9).int()
    there = g.view(-1)[device.long()]
    found = Steps.of(model)(g, device, polarity, 0.0, model.window_siemens)
    expected = model.step_siemens(there, polarity) / model.window_siemens
    assert_close(found, expected, rtol=1e-5, atol=1e-11)
    assert torch.equal(g, before)


def test_no_step_is_below_the_least():
    model = DEVICES["oxram"]
    g = at(model, torch.rand(4, 9, generator=gen(1))).g
    device, least = torch.arange(36, dtype=torch.int32).view(4, 9), 0.01 * model.window_siemens
    found = Steps.of(model)(g, device, POLARITIES["mixed"], least, 2.0)
    expected = model.step_siemens(g, POLARITIES["mixed"]).clamp(min=least) / 2.0
    assert_close(found, expected, rtol=1e-5, atol=0.0)
    assert float(found.min()) == pytest.approx(least / 2.0)


@pytest.mark.parametrize(("name", "is_constant"), [("ideal", True), ("oxram", False)])
def test_only_steps_that_depend_on_nothing_are_constant(name, is_constant):
    assert Steps.of(DEVICES[name]).is_constant is is_constant


def test_a_device_without_a_law_has_none():
    assert Steps.of(DEVICES["tabulated"]) is None
