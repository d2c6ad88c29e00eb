"""Means over seeds, and the page and the picture of a study."""

import pytest
from numpy.testing import assert_allclose

from crossbar.figures.study import curves
from crossbar.metrics.study import axis_of, gathered, number_of
from crossbar.reports.study import RESULTS, write_page

NAMES = ["ei", "update_noise", "seed"]
SHARED = {"device": "gaussian_update.yaml"}


def row(ei, noise, seed, accuracy):
    results = dict.fromkeys(RESULTS, 1.0) | {"test_accuracy": accuracy}
    labels = {"ei": ei, "update_noise": noise, "seed": seed}
    return {"trial": f"{ei}{noise}{seed}", **labels, "status": "done", "error": "", **results}


ROWS = [
    row(ei, noise, seed, 0.8 - 0.2 * float(noise) + 0.01 * int(seed))
    for ei in ("50:50", "80:20") for noise in ("0.2", "0.6") for seed in "012"
]  # fmt: skip
BROKEN = ROWS[0] | {"status": "failed", "error": "<b>no & spikes"}


def test_trials_that_differ_in_their_seed_are_one_point_with_an_interval():
    points = gathered([*ROWS, BROKEN], NAMES, RESULTS)
    assert [dict(p.labels) for p in points[:2]] == [
        {"ei": "50:50", "update_noise": "0.2"}, {"ei": "50:50", "update_noise": "0.6"}
    ]  # fmt: skip
    assert len(points[0].trials) == 3
    assert_allclose(points[0].mean["test_accuracy"], 0.77)
    assert_allclose(points[0].half["test_accuracy"], 4.303 * 0.01 / 3**0.5, rtol=1e-3)
    assert axis_of(points) == "ei"


@pytest.mark.parametrize(
    ("text", "number"), [("80:20", 0.8), ("1e-3", 0.001), ("adam", None), ("0:0", None)]
)
def test_labels_as_numbers(text, number):
    assert number_of(text) == number


def test_the_page_names_every_run_and_escapes_what_trials_say(tmp_path):
    text = write_page(tmp_path, [*ROWS, BROKEN], NAMES, SHARED).read_text("utf-8")
    assert all(f"trials/{one['trial']}" in text for one in ROWS)
    assert "&lt;b&gt;no &amp; spikes" in text
    assert "<b>no" not in text
    assert "12 of 13 trials finished" in text
    assert "device = gaussian_update.yaml" in text
    assert "data:image/png" in text


def test_a_study_of_words_has_a_page_without_curves(tmp_path):
    rows = [r | {"ei": ei} for r, ei in zip(ROWS[:2], ("none", "adam"), strict=True)]
    assert curves(gathered(rows, ["ei"], RESULTS)) is None
    assert "data:image/png" not in write_page(tmp_path, rows, ["ei"], {}).read_text("utf-8")
