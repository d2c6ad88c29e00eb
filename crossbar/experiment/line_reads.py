"""How often each word line of the crossbars of a training is driven."""

import numpy as np

from device_models.model import DeviceModel
from device_models.pulsed import Pulsed

from ..snn.encodings.events import Events
from ..snn.engines.protocol import BatchResult
from ..snn.plan import Plan


class LineReads:
    """Splits the reads of a crossbar over its word lines, for devices that reads move.

    Hidden lines as their neurons spiked; those of the input as often as in the training samples.
    """

    def __init__(self, network: Plan, train_events: Events, sheet: DeviceModel) -> None:
        """Of a training.

        Args:
            network: The layers.
            train_events: Spikes that come in.
            sheet: Kind of device; of one that reads do not move nothing is counted.
        """
        self._network = network
        self._is_needed = isinstance(sheet, Pulsed) and sheet.disturb_per_read != 0.0
        if self._is_needed:
            counts = np.bincount(train_events.rows, minlength=network.inputs).astype(np.float64)
            self._share = counts / max(1.0, counts.sum())

    def of(self, index: int, done: BatchResult) -> np.ndarray | None:
        """Reads of each word line of a crossbar in a batch, float64 (rows,).

        None where its rows are not the lines that come in, one by one: a convolution, recurrent
        rows, a bias.
        """
        if not self._is_needed:
            return None
        source, rows = self._network.sources[index], self._network.crossbars[index][0]
        share = self._share if source < 0 else done.spikes[source].astype(np.float64)
        if len(share) != rows:
            return None
        reads = share * (float(done.activations[index]) / max(float(share.sum()), 1e-300))
        return np.asarray(reads, np.float64)
