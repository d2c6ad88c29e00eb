"""Rules that turn a wanted weight change into whole pulses, one file each."""

from .accumulate import Accumulate
from .policy import Policy
from .stochastic import Stochastic

POLICIES: dict[str, type[Policy]] = {"accumulate": Accumulate, "stochastic": Stochastic}
