"""How long devices last: until pulses wear them out, and until reads have moved them.

Both are limits of the device, not of the run. What the device file does not say comes from the cost
table, with the range of the literature.
"""

import math
from itertools import product

from .chip import ChipSpec
from .counts import LayerCounts, RunCounts
from .inference_cost import Price
from .interval import Interval, exactly

REFERENCE_VOLTS = 0.2  # of the reads that `undisturbed_reads` counts


def lifetime_days(run: RunCounts, chip: ChipSpec, price: Price) -> Interval | None:
    """Days until the first device reaches its endurance by training alone.

    The device of each array that got most pulses decides. A pulse counts whole, however little it
    moves a device.

    Args:
        run: The run.
        chip: Its trainings a day.
        price: Constants at the chip: `endurance_pulses`, where the device file states none.

    Returns:
        None where nothing is ever trained.
    """
    worn = [array for array in run.training if array.pulses_per_device_max]
    if not worn or not chip.trainings_per_day:
        return None
    lasting = [
        (exactly(array.endurance_pulses) if array.endurance_pulses else _constant(price))
        * (1.0 / array.pulses_per_device_max)
        for array in worn
    ]
    first = Interval(
        *(min(ends) for ends in zip(*(vars(e).values() for e in lasting), strict=True))
    )
    return first * (1.0 / chip.trainings_per_day)


def undisturbed_days(
    counts: tuple[LayerCounts, ...], run: RunCounts, chip: ChipSpec, volts: float, price: Price
) -> Interval | None:
    """Days of inferences after which the devices of the busiest word line may have to be rewritten.

    A device stands `undisturbed_reads` reads of `REFERENCE_VOLTS`, and exp((REFERENCE_VOLTS - V) /
    disturb_volts) as many of V.

    Args:
        counts: Events of each layer.
        run: The run.
        chip: Its inferences a day.
        volts: Of a read on it.
        price: Constants at the chip: `undisturbed_reads` and `disturb_volts`.

    Returns:
        None where no line is ever driven.
    """
    busiest = max(layer.busiest_line for layer in counts) / run.activity.inferences
    if not busiest or not chip.inferences_per_day:
        return None
    below = REFERENCE_VOLTS - volts
    reads, scales = price("undisturbed_reads"), price("disturb_volts")
    stands = [float(n) * math.exp(below / float(v)) for n, v in product(reads, scales)]
    typical = float(reads[1]) * math.exp(below / float(scales[1]))
    return Interval(min(stands), typical, max(stands)) * (1.0 / busiest / chip.inferences_per_day)


def _constant(price: Price) -> Interval:
    """Endurance from the cost table."""
    return Interval(*(float(value) for value in price("endurance_pulses")))
