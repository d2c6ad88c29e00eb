"""Arrays as torch modules: bring your own network.

from crossbar import nn

model = torch.nn.Sequential(nn.Linear(784, 100, seed=1), torch.nn.ReLU(), nn.Linear(100, 10))
optimizer = nn.PulseOptimizer(model, lr=2e-3)
"""

from .array import CrossbarArray
from .convert import from_torch
from .estimate import estimate
from .hardware import Hardware
from .layers import Conv2d, Linear
from .module import ArrayModule
from .optimizer import PulseOptimizer
from .recurrent import Recurrent
from .summary import Summary, summary

__all__ = [
    "ArrayModule",
    "Conv2d",
    "CrossbarArray",
    "Hardware",
    "Linear",
    "PulseOptimizer",
    "Recurrent",
    "Summary",
    "estimate",
    "from_torch",
    "summary",
]
