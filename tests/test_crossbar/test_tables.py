"""The tables of names: every entry brings its own settings, and is made from them."""

from dataclasses import dataclass

import pytest
import torch

from crossbar.mappings import MAPPINGS
from crossbar.synapses.optimizers import OPTIMIZERS
from crossbar.synapses.policies import POLICIES
from device_models.record import Record, Tagged, tagged
from device_models.schema import dump, load

TABLES = {"mapping": MAPPINGS, "policy": POLICIES, "optimizer": OPTIMIZERS}
ENTRIES = [(kind, name) for kind, table in TABLES.items() for name in table]


@dataclass(frozen=True, kw_only=True)
class Chosen(Record):
    mapping: Record = tagged(MAPPINGS, default="one_sided")
    policy: Record = tagged(POLICIES, default="accumulate")
    optimizer: Record = tagged(OPTIMIZERS, default="sgd")


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_entry_is_chosen_by_its_name_and_keeps_its_own_settings(kind, name, tmp_path):
    options = TABLES[kind][name].Options()
    assert Tagged(TABLES[kind]).name_of(options) == name
    chosen, path = Chosen(**{kind: options}), tmp_path / "chosen.yaml"
    path.write_text(dump(chosen))
    assert load(path, Chosen) == chosen
    path.write_text(f"{kind}: {name}\n")
    assert getattr(load(path, Chosen), kind) == options


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_is_made_of_its_options(name):
    kind = OPTIMIZERS[name]
    options = kind.Options(learning_rate=0.5, rate_unit="pulses")
    assert kind((3, 2), options).options is options
    assert kind((3, 2)).options == kind.Options()


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_without_options_has_its_defaults(name):
    kind = MAPPINGS[name]
    mapping = kind(torch.ones(2, dtype=torch.int8), 3, 5e-4, 1e-6, 1e-3)
    assert mapping.options == kind.Options()
