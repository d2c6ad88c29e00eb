"""What a loss brings as kernels: a stub, picked by the type of its numbers."""

from typing import Any


def score(loss: Any, label: Any, trace: Any, count: Any, start: Any, c: Any) -> Any:
    """Prediction and loss of one sample, and the derivative of the loss.

    Args:
        loss: Its numbers.
        label: The true class.
        trace: `LayerTrace` of the output layer, borrowed: membranes of the steps from `start` to
            the last one and behind it, spikes. The rows of `errors` from `start` on receive the
            derivative by the spikes of each step, or by its membrane where the neurons never spike;
            padding is 0. `work` is free.
        count: How many spikes the output layer sent.
        start: Step of the first event of the sample; before it all is 0.
        c: `Constants`.

    Returns:
        Prediction (the first class on a tie), loss, the latest step with an error (0 for none), and
        how many errors there are, if they are few and of neurons that never spike: `rows` and
        `times` of the trace then name the neuron and step of each. -1 otherwise.
    """
    raise NotImplementedError
