"""Rules that turn a wanted weight change into whole pulses, one file each."""

from .accumulate import Accumulate
from .closed_loop import ClosedLoop
from .policy import Policy
from .sign import Sign
from .stochastic import Stochastic
from .tiki_taka import TikiTaka

POLICIES: dict[str, type[Policy]] = {
    "accumulate": Accumulate,
    "closed_loop": ClosedLoop,
    "stochastic": Stochastic,
    "sign": Sign,
    "tiki_taka": TikiTaka,
}
