"""Where the class of each model is, and what shipped devices are, all told without torch.

Importing torch takes longer than all else that a list of them needs.
"""

import ast
from pathlib import Path
from typing import NamedTuple

from .nodes import first_scalars
from .shipped import ENDING, Presets

DEVICES = Presets("device", "device_models.calibration_data", "*/model.yaml")

WINDOW = ("g_min_siemens", "g_max_siemens")
HOMES = {  # name in a device file -> module and class
    "ideal": ("linear", "Ideal"),
    "gaussian_update": ("linear", "GaussianUpdate"),
    "oxram": ("oxram", "Oxram"),
    "soft_bounds": ("soft_bounds", "SoftBounds"),
    "linear_step": ("linear_step", "LinearStep"),
    "exp_step": ("exp_step", "ExpStep"),
    "log_step": ("log_step", "LogStep"),
    "signed_step": ("signed_step", "SignedStep"),
    "tabulated": ("tabulated", "Tabulated"),
}


class Headline(NamedTuple):
    """A shipped device in short, as `load_device` would say it."""

    name: str
    model: str
    status: str
    g_min_siemens: float
    g_max_siemens: float
    description: str


def preset_names() -> list[str]:
    """Names of the shipped devices, as `--device` takes them (with `.yaml`)."""
    return [f"{name}{ENDING}" for name in DEVICES.names()]


def headlines() -> list[Headline]:
    """What every shipped device is: from its file, which starts from no other."""
    found = []
    for name in preset_names():
        head = first_scalars(DEVICES.find(name), ("model", "status", *WINDOW))
        low, high = (float(head[field]) for field in WINDOW)
        model = head["model"]
        found.append(Headline(name, model, head["status"], low, high, first_line(model)))
    return found


def first_line(model: str) -> str:
    """The first line of the docstring of a model's class, which is not imported."""
    module, cls = HOMES[model]
    source = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    (node,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == cls
    )
    return (ast.get_docstring(node) or "").partition("\n")[0]
