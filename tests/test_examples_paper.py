"""Figures of the E:I paper: from tables of studies, beside the published numbers."""

import runpy
import sys
from pathlib import Path

import pytest
import yaml

PAPER = Path(__file__).parent.parent / "examples" / "paper"


@pytest.fixture(scope="module")
def figures():
    """Name of a figure -> how it is drawn."""
    sys.path.insert(0, str(PAPER))
    try:
        return runpy.run_path(str(PAPER / "reproduce.py"))["FIGURES"]
    finally:
        sys.path.remove(str(PAPER))


def published(name):
    return yaml.safe_load((PAPER / "published.yaml").read_text("utf-8"))[name]


def epochs(trial, labels, accuracies, spikes):
    return [
        {"trial": trial, **labels, "epoch": str(k), "test_accuracy": str(accuracy),
         "hidden_spikes_per_inference": str(spikes)}
        for k, accuracy in enumerate(accuracies)
    ]  # fmt: skip


def noisy(ei, seed, score):
    """A trial at a noise of 0.6 that scores `score` percent in its last ten epochs."""
    labels = {"ei": ei, "update_noise": "0.6", "seed": str(seed)}
    return epochs(f"{ei}{seed}", labels, [0.9, *[score / 100.0] * 10], 500)


def test_the_score_of_figure_2_is_of_the_last_ten_epochs_and_its_gains_are_over_100_0(figures):
    rows = [
        *noisy("80:20", 0, 44.0), *noisy("80:20", 1, 46.0),
        *noisy("100:0", 0, 40.0), *noisy("100:0", 1, 42.0),
    ]  # fmt: skip
    figure, lines = figures["figure_2"](rows, published("figure_2"))
    table = {tuple(line.split()[:2]): line.split()[2:] for line in lines}
    assert table["80:20", "0.6"] == ["45.0", "+-", "12.7", "%", "45.0", "%"]  # t(1) = 12.706
    assert table["100:0", "0.6"][-2:] == ["40.7", "%"]  # 45 - 4.3
    assert "mean of the distances: 0.2 points of 2" in lines  # 0 and 0.3
    gain = "80:20 at 0.6: +4.0 points above 100:0 (-2.1 to +10.1), published +4.3"
    assert f"{gain}; p 0.11, corrected 0.11" in lines  # one test: nothing to correct
    assert len(figure.axes) == 2


def test_figure_1c_takes_the_best_of_all_tests_and_the_rate_after_the_first_epoch(figures):
    rows = [
        *epochs("a", {"ei": "80:20"}, [0.1, 0.7, 0.81, 0.8], 40),  # 4 Hz
        *epochs("b", {"ei": "80:20"}, [0.1, 0.3, 0.2], 900),  # 90 Hz
    ]
    _, lines = figures["figure_1c"](rows, published("figure_1c"))
    assert lines == ["80:20: up to 25.6 Hz 81.0 to 81.0 % (1), above 50 Hz 30.0 to 30.0 % (1)"]


def on_device(device, policy, ei, seed, score):
    labels = {"device": device, "policy": policy, "ei": ei, "seed": str(seed)}
    return epochs(f"{device}{policy}{ei}{seed}", labels, [0.9, score / 100.0], 100)


def test_ratios_under_a_policy_are_compared_with_100_0_in_the_last_epoch(figures):
    rows = [
        row
        for seed, noise in enumerate((-1.0, 0.0, 1.0))
        for device, policy, gain in (("ideal.yaml", "", 0.0), ("oxram.yaml", "tiki_taka", 5.0))
        for ei, score in (("80:20", 70.0 + gain), ("100:0", 70.0))
        for row in on_device(device, policy, ei, seed, score + noise)
    ]
    _, lines = figures["ratios_on_oxram"](rows, {})
    exact, pulses = (line.split() for line in lines)
    assert exact[:6] == ["exact", "weights", "80:20", "70.00", "%,", "+0.00"]
    assert pulses[:5] == ["tiki_taka", "80:20", "75.00", "%,", "+5.00"]
    assert "(+2.73 to +7.27)" in lines[1]  # t(4) = 2.776 times sqrt(2 / 3)
    assert lines[1].endswith("p 0.0036, corrected 0.0072")  # twice: of two tests
