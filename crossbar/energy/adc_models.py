"""Published equations of converters: energy and area as functions of bits and node.

Three sources disagree 7 to 18 times on the same converter; `adc_energy` therefore spans them.
Equations are written anew from what was published, constants as they stand there.
"""

import math
from collections.abc import Callable

from device_models.errors import ConfigError

from .interval import Interval

# Node, nm -> a, c (uW) and k (W ohm) of NeuroSim's low-power SAR converter, and its exponent.
NEUROSIM_LSTP = {
    130.0: (8.4483, 65.243, 0.169380, 2.303),
    90.0: (5.9869, 37.462, 0.144323, 2.303),
    65.0: (3.7506, 25.844, 0.121272, 2.303),
    45.0: (2.1691, 16.693, 0.100225, 2.303),
    32.0: (1.1294, 8.8998, 0.079449, 2.297),
    22.0: (0.5380, 4.3753, 0.072341, 2.303),
    14.0: (0.3132, 2.5681, 0.061085, 2.303),
    10.0: (0.1823, 1.5073, 0.051580, 2.303),
    7.0: (0.1061, 0.8847, 0.043555, 2.303),
}
NODES_NM = tuple(NEUROSIM_LSTP)
ISAAC_NM = 32.0
ISAAC_PICOJOULES = {4: 0.79, 5: 0.99, 6: 1.20, 7: 1.42, 8: 1.67, 9: 1.969078, 10: 2.379023}
ISAAC_UM2 = {4: 361.04, 5: 476.91, 6: 626.91, 7: 845.18, 8: 1200.0, 9: 1827.912, 10: 3002.008}
MOST_BITS = max(ISAAC_PICOJOULES)
SPREAD = 3.0  # between converters of one resolution and node


def neurosim_sar_joules(bits: int, node_nm: float, *, column_ohms: float = 10e3) -> float:
    """Energy of one conversion by NeuroSim's SAR converter, LSTP, read at 0.5 V, 300 K, joules.

        P = (a bits + c) uW + k exp(-m log10(column_ohms)) W,    E = P (bits + 1) ns

    With m near ln 10 the second term is k / column_ohms: the current of the column itself. Between
    two nodes the energy is interpolated in log-log.

    Args:
        bits: Resolution.
        node_nm: Technology, within `NODES_NM`.
        column_ohms: Resistance of the column.

    Raises:
        ConfigError: The node lies outside.
    Source:
        neurosim/DNN_NeuroSim_V1.4@ac828e6, SarADC.cpp (equation and fitted constants).
    """

    def at(node: float) -> float:
        a, c, k, m = NEUROSIM_LSTP[node]
        watts = (a * bits + c) * 1e-6 + k * math.exp(-m * math.log10(column_ohms))
        return watts * (bits + 1) * 1e-9

    check_node(node_nm)
    return loglog({node: at(node) for node in NODES_NM}, node_nm)


def regression_joules(bits: int, node_nm: float) -> float:
    """Energy of one conversion by the regression over published converters, joules.

        E = 10^((SNDR - FOM) / 10) / 2 exp(t + 1.8800 ln(node_nm) - 2.8291 ln(bits) - r) pJ,
        SNDR = 6.02 bits + 1.76 dB,  FOM = 128.3068 + 3.22050 bits dB,  t = 26.0496,  r = 1.4702

    It is the optimistic setting, at rates that do not limit the figure of merit. Fewer than 4 bits
    cost as much as 4: the regression says nothing about them.

    Source:
        Accelergy-Project/hwcomponents-adc@246af7e, model.py and adc_data/model.yaml, a fit to
        B. Murmann's ADC survey; T. Andrulis et al., arXiv:2404.06553.
    """
    bits = max(bits, 4)
    sndr, fom = 6.02 * bits + 1.76, 128.3068387398817 + 3.2205016109775 * bits
    exponent = 26.0496215686518 + 1.8800369206815 * math.log(node_nm)
    exponent += -2.8291256050594527 * math.log(bits) - 1.4702022133784405
    return float(0.5 * 10.0 ** ((sndr - fom) / 10.0) * math.exp(exponent) * 1e-12)


def isaac_joules(bits: int, node_nm: float) -> float:
    """Energy of one conversion by the converter of ISAAC, joules.

    Its energies at 32 nm by bits; fewer than 4 follow the line of 4 and 5 bits in log-log (ours).
    With the node it goes as an analog block, in proportion.

    Raises:
        ConfigError: More bits than were published.
    Source:
        A. Shafiee et al., ISCA 2016, with L. Kull et al., ISSCC 2013, scaled by bits in
        Accelergy-Project/hwcomponents-library@8b56f7e, isaac.py.
    """
    return _isaac(ISAAC_PICOJOULES, bits) * 1e-12 * node_nm / ISAAC_NM


def adc_energy(bits: int, node_nm: float) -> Interval:
    """Energy of one conversion as the sources span it, joules.

    Low is NeuroSim's law, typical ISAAC's converter, high the larger of the regression and three
    times the typical one: the factor is ours, the median of the survey's SAR converters of 7 to 8
    effective bits is 3.5 times ISAAC's.

    Raises:
        ConfigError: More bits, or another node, than the sources know.
    """
    low, typical = neurosim_sar_joules(bits, node_nm), isaac_joules(bits, node_nm)
    return Interval(low, typical, max(regression_joules(bits, node_nm), SPREAD * typical))


def adc_area(bits: int, node_nm: float) -> Interval:
    """Area of one converter, m2: ISAAC's by bits, in proportion to the node; see `isaac_joules`."""
    typical = _isaac(ISAAC_UM2, bits) * 1e-12 * node_nm / ISAAC_NM
    return Interval(typical, typical, typical)


LAWS: dict[str, Callable[[int, float], Interval]] = {"adc_energy": adc_energy, "adc_area": adc_area}


def check_node(node_nm: float) -> None:
    """Refuse a node that the tables do not reach.

    Raises:
        ConfigError: Says which nodes have data.
    """
    if not min(NODES_NM) <= node_nm <= max(NODES_NM):
        nodes = ", ".join(f"{node:g}" for node in NODES_NM)
        raise ConfigError(
            f"node_nm = {node_nm:g} has no scaling data; there is some for {nodes} nm and between"
        )


def loglog(points: dict[float, float], x: float) -> float:
    """A positive function known at some points, straight between two of them in log-log.

    Args:
        points: x -> y, at least two.
        x: Where; outside the points the nearest straight line goes on.
    """
    ascending = sorted(points)
    right = next((i for i in range(1, len(ascending)) if x <= ascending[i]), len(ascending) - 1)
    x0, x1 = ascending[right - 1], ascending[right]
    if x in points:
        return points[x]
    fraction = math.log(x / x0) / math.log(x1 / x0)
    return float(points[x0] * (points[x1] / points[x0]) ** fraction)


def _isaac(points: dict[int, float], bits: int) -> float:
    """A published value by bits.

    Raises:
        ConfigError: More bits than were published.
    """
    if bits > MOST_BITS:
        raise ConfigError(
            f"adc_bits = {bits} is beyond the {MOST_BITS} bits of the published converters; give "
            "adc_conversion and adc_area as plain values"
        )
    return loglog({float(k): v for k, v in points.items()}, float(bits))
