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
    before = g.clone()
    found = Steps.of(model, polarity)(g)
    assert_close(found, model.step_siemens(g, polarity), rtol=1e-5, atol=1e-15)
    assert torch.equal(g, before)


@pytest.mark.parametrize(("name", "is_constant"), [("ideal", True), ("oxram", False)])
def test_only_steps_that_depend_on_nothing_are_constant(name, is_constant):
    assert Steps.of(DEVICES[name], POLARITIES["mixed"]).is_constant is is_constant


def test_a_device_without_a_law_has_none():
    assert Steps.of(DEVICES["tabulated"], POLARITIES["mixed"]) is None
