import io
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from crossbar.experiment.rows import confusion as counted
from crossbar.figures import devices, style, training
from crossbar.figures.confusion import confusion
from crossbar.figures.raster import Input, raster
from device_models.errors import ConfigError, RunError
from device_models.presets import load_device, preset_names
from device_models.units import si_prefix

NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat")
US, KOHM = "\N{MICRO SIGN}S", "k\N{GREEK CAPITAL LETTER OMEGA}"


def epoch(number, *, dale=True, pulses=(9_000_000, 8_000_000), joules=(2e-4, 1e-6)):
    excitatory, inhibitory = 40.0 + 10 * number, 9.0 + number
    return {
        "epoch": number,
        "test_accuracy": 0.1 + 0.2 * number,
        "train_accuracy": None if number == 0 else 0.12 + 0.2 * number,
        "spikes_per_inference": {
            "excitatory": excitatory if dale else None,
            "inhibitory": inhibitory if dale else None,
            "total": excitatory + inhibitory,
        },
        "rate_hz": (excitatory + inhibitory) / 10,
        "pulses": dict(zip(("set", "reset"), pulses, strict=True)),
        "energy_joules": dict(zip(("read", "write"), joules, strict=True)),
    }


@pytest.fixture
def epochs():
    return [epoch(0, pulses=(0, 0), joules=(2e-5, 0.0)), *map(epoch, range(1, 4))]


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def drawn(figure):
    """The pixels of the figure, (height, width, 3)."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    content.seek(0)
    return imread(content)[:, :, :3]


def overlaps(figure):
    """Pairs of texts in one axes that cover each other."""
    figure.draw_without_rendering()
    pairs = []
    for axes in figure.axes:
        labels = [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]
        boxes = [(t.get_text(), t.get_window_extent()) for t in labels if t.get_text()]
        pairs += [
            (boxes[i][0], boxes[j][0])
            for i in range(len(boxes))
            for j in range(i)
            if boxes[i][1].overlaps(boxes[j][1])
        ]
    return pairs


# --- a training ----------------------------------------------------------------------------------


def test_accuracy_is_in_percent_and_starts_before_training(epochs):
    (axes,) = training.accuracy(epochs).axes
    assert axes.get_ylabel() == "accuracy (%)"
    assert axes.get_xlabel() == "epoch (0: before training)"
    np.testing.assert_allclose(lines(axes)["test"], [10.0, 30.0, 50.0, 70.0], rtol=1e-12)
    np.testing.assert_allclose(lines(axes)["train"], [np.nan, 32.0, 52.0, 72.0], rtol=1e-12)
    assert texts(axes) == ["test 70.0 %", "train 72.0 %"]


def test_an_untrained_network_is_a_point(epochs):
    (axes,) = training.accuracy(epochs[:1]).axes
    assert list(lines(axes)) == ["test"]
    assert axes.lines[0].get_marker() == "o"


def test_spikes_are_split_by_kind_in_the_colours_of_the_kinds(epochs):
    (axes,) = training.spikes(epochs).axes
    assert axes.get_ylabel() == "hidden spikes per image"
    assert {line.get_label(): line.get_color() for line in axes.lines} == {
        "excitatory": style.EXCITATORY,
        "inhibitory": style.INHIBITORY,
        "total": style.INK,
    }
    np.testing.assert_array_equal(lines(axes)["excitatory"], [40, 50, 60, 70])
    np.testing.assert_array_equal(lines(axes)["inhibitory"], [9, 10, 11, 12])
    assert "total 82\n= 8.2 Hz per neuron" in texts(axes)


def test_without_dales_law_there_is_only_a_total():
    (axes,) = training.spikes([epoch(0, dale=False), epoch(1, dale=False)]).axes
    assert list(lines(axes)) == ["total"]


def several(number, *, output=18.0, train=None):
    """An epoch of two hidden layers and an output that spikes."""
    row = epoch(number, dale=False)
    spikes = row["spikes_per_inference"] | {"total": 60.0 + number, "output": output}
    spikes["layers"] = [40.0 + number, 20.0]
    return row | {"spikes_per_inference": spikes, "train_spikes_per_inference": train}


def test_each_layer_and_the_output_have_a_line_of_their_own():
    learned = {"total": 70.0}
    left, right = training.spikes([several(0), several(1, train=learned)]).axes
    np.testing.assert_array_equal(lines(left)["total"], [60, 61])
    np.testing.assert_array_equal(lines(left)["total, train"], [np.nan, 70])
    assert left.get_ylabel() == "hidden spikes per image"
    assert list(lines(right)) == ["hidden 1", "hidden 2", "output"]
    np.testing.assert_array_equal(lines(right)["hidden 1"], [40, 41])
    np.testing.assert_array_equal(lines(right)["output"], [18, 18])
    assert right.get_ylabel() == "spikes per image, each layer"


def test_rows_of_before_that_tell_of_fewer_layers_are_drawn():
    former = several(0)
    del former["spikes_per_inference"]["output"], former["train_spikes_per_inference"]
    former["spikes_per_inference"]["layers"] = [40.0]
    _, right = training.spikes([former, several(1)]).axes
    np.testing.assert_array_equal(lines(right)["hidden 2"], [np.nan, 20])
    np.testing.assert_array_equal(lines(right)["output"], [np.nan, 18])


def test_runs_are_compared_by_accuracy_and_spikes(epochs):
    others = [several(number, train={"total": 70.0} if number else None) for number in range(3)]
    figure = training.compare({"none": epochs, "reset line": others})
    left, right = figure.axes
    percent = [np.nan, 30.0, 50.0, 70.0]  # an untrained network would take most of the height
    np.testing.assert_allclose(lines(left)["none"], percent, rtol=1e-12)
    np.testing.assert_allclose(lines(left)["reset line, train"], [np.nan, 32, 52], rtol=1e-12)
    np.testing.assert_array_equal(lines(right)["none"], [49, 60, 71, 82])
    np.testing.assert_array_equal(lines(right)["reset line"], [60, 61, 62])
    np.testing.assert_array_equal(lines(right)["reset line, train"], [np.nan, 70, 70])
    assert (left.get_ylabel(), right.get_ylabel()) == ("accuracy (%)", "hidden spikes per image")
    assert texts(right) == ["reset line 62", "none 82"]
    assert overlaps(figure) == []


def test_pulses_and_energy_are_in_units_that_their_axes_name(epochs):
    left, right = training.pulses(epochs).axes
    assert left.get_ylabel() == "pulses per epoch (millions)"
    np.testing.assert_allclose(lines(left)["SET"], [0, 9, 9, 9], rtol=1e-12)
    np.testing.assert_allclose(lines(left)["RESET"], [0, 8, 8, 8], rtol=1e-12)
    assert left.get_yscale() == "linear"
    assert right.get_ylabel() == "energy per epoch (\N{MICRO SIGN}J)"
    np.testing.assert_allclose(lines(right)["read"], [20, 200, 200, 200], rtol=1e-12)
    np.testing.assert_allclose(lines(right)["write"], [0, 1, 1, 1], rtol=1e-12)


def test_an_axis_that_spans_decades_is_logarithmic_and_still_shows_zero(epochs):
    _, right = training.pulses(epochs).axes
    assert right.get_yscale() == "symlog"
    assert right.get_ylim()[0] == 0.0


@pytest.mark.parametrize("draw", [training.accuracy, training.spikes, training.pulses])
def test_a_training_without_epochs_is_an_error_of_one_line(draw):
    with pytest.raises(RunError, match=r"^the training has no epoch yet; no figure was drawn$"):
        draw([])


@pytest.mark.parametrize("draw", [training.accuracy, training.spikes, training.pulses])
@pytest.mark.parametrize("count", [1, 2, 4, 101])
def test_texts_of_a_training_do_not_cover_each_other(draw, count):
    near = {"test_accuracy": 0.87, "train_accuracy": 0.871}
    epochs = [epoch(0, pulses=(0, 0), joules=(0.0, 0.0))]
    epochs += [epoch(number) | near for number in range(1, count)]
    assert overlaps(draw(epochs)) == []


# --- conductances --------------------------------------------------------------------------------


@pytest.fixture
def layers():
    generator = np.random.default_rng(0)
    return [
        generator.uniform(1e-6, 1e-3, shape).astype(np.float32) for shape in ((50, 20), (20, 5))
    ]


def test_every_device_is_counted_once_before_and_after(layers):
    after = [np.full_like(g, 1e-3) for g in layers]
    figure = training.conductances(layers, after, 1e-6, 1e-3)
    panels = [axes for axes in figure.axes if axes.patches]
    for axes, g in zip(panels, layers, strict=True):
        assert axes.get_xlabel() == f"conductance ({US})"
        stairs = {patch.get_label(): patch.get_data().values for patch in axes.patches}
        assert stairs["before"].sum() == stairs["after"].sum() == g.size
        assert stairs["after"][-1] == g.size
    assert "input to hidden (1,000 devices)" in panels[0].get_title(loc="left")


def test_every_crossbar_has_a_panel_with_its_name():
    names = {
        2: ["input to hidden", "hidden to readout"],
        4: ["input to hidden 1", "hidden 1 to hidden 2", "hidden 2 to hidden 3",
            "hidden 3 to readout"],
    }  # fmt: skip
    for count, wanted in names.items():
        conductances = [np.full((i + 1, 2), 1e-5) for i in range(count)]
        panels = training.conductances(conductances, conductances, 1e-6, 1e-3).axes
        titles = [axes.get_title(loc="left") for axes in panels if axes.get_title(loc="left")]
        expected = [f"{name} ({2 * (i + 1)} devices)" for i, name in enumerate(wanted)]
        assert titles == expected


def test_resistance_runs_the_other_way_on_top(layers):
    figure = training.conductances(layers, layers, 1e-6, 1e-3)
    bottom, top = figure.axes[0], figure.axes[-1]
    assert top.get_xlabel() == f"resistance ({KOHM})"
    np.testing.assert_allclose(
        np.array(top.get_xlim()) * 1e3, 1e6 / np.array(bottom.get_xlim()), rtol=1e-9
    )


def test_a_window_that_starts_at_zero_is_drawn_over_three_decades(layers):
    axes = training.conductances(layers, [np.zeros_like(g) for g in layers], 0.0, 1e-3).axes[0]
    assert axes.patches[1].get_data().values[0] == layers[0].size


# --- one sample ----------------------------------------------------------------------------------


def sample(*, excitatory=8, winner=1, label=1, steps=20, hidden=10):
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (28, 28), dtype=np.uint8)
    rows = np.arange(0, 784, 7)
    times = generator.integers(0, steps, rows.size)
    spikes = generator.random((steps, hidden)) < 0.2
    time = np.arange(steps + 1)[:, None]
    readout = np.exp(-(((time - 10) / 4.0) ** 2)) * (1.0 + (np.arange(5) == winner))
    driven = Input(times, rows)
    figure = raster(image, driven, spikes, readout, excitatory, label, NAMES, 1e-3)
    return figure, (image, times, rows, spikes, readout)


def panels(figure):
    return {axes.get_label(): axes for axes in figure.axes}


def places(axes):
    """Colour -> (time, row) of each tick."""
    drawn = (c for c in axes.collections if len(c.get_offsets()))
    return {tuple(c.get_edgecolor()[0]): np.asarray(c.get_offsets()) for c in drawn}


def rgba(colour):
    return (*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0)


def test_the_sample_shows_image_spikes_and_readout_of_the_input():
    figure, (image, times, rows, _, readout) = sample()
    named = panels(figure)
    np.testing.assert_array_equal(named["image"].images[0].get_array(), image)
    np.testing.assert_allclose(
        places(named["inputs"])[rgba(style.INK)], np.column_stack([times, rows]), rtol=1e-12
    )
    for k, name in enumerate(NAMES):
        np.testing.assert_array_equal(lines(named["output"])[name], readout[:, k])
    assert named["output"].get_xlabel() == "time (ms)"


def test_excitatory_neurons_are_above_a_gap_in_their_own_colour():
    figure, (*_, spikes, _) = sample(excitatory=8)
    ticks = places(panels(figure)["hidden"])
    above, below = ticks[rgba(style.EXCITATORY)], ticks[rgba(style.INHIBITORY)]
    times, rows = np.nonzero(spikes[:, :8])
    np.testing.assert_allclose(above, np.column_stack([times, rows]), rtol=1e-12)
    times, rows = np.nonzero(spikes[:, 8:])
    np.testing.assert_allclose(below[:, 0], times, rtol=1e-12)
    assert below[:, 1].min() > 8.0
    assert f"2 inhibitory\n{len(times)} spikes" in texts(panels(figure)["about_hidden"])


@pytest.mark.parametrize(
    ("excitatory", "colours"),
    [(None, {style.INK}), (10, {style.EXCITATORY}), (0, {style.INHIBITORY})],
)
def test_a_layer_of_one_kind_is_of_one_colour(excitatory, colours):
    figure, _ = sample(excitatory=excitatory)
    assert set(places(panels(figure)["hidden"])) == {rgba(colour) for colour in colours}


@pytest.mark.parametrize(
    ("winner", "label", "verdict", "named"),
    [
        (1, 1, "highest peak wins:\nTrouser\n(correct)", {"Trouser"}),
        (1, 4, "highest peak wins:\nTrouser\n(wrong: it is Coat)", {"Trouser", "Coat"}),
    ],
)
def test_the_winner_and_the_true_class_are_named(winner, label, verdict, named):
    figure, _ = sample(winner=winner, label=label)
    axes = panels(figure)
    assert texts(axes["about_output"]) == [verdict]
    assert set(texts(axes["output"])) == named
    assert axes["image"].get_title() == NAMES[label]
    assert overlaps(figure) == []


@pytest.mark.parametrize(
    ("amplitudes", "limits"),
    [(np.linspace(0.0, 1.0, 784).reshape(28, 28), (0.0, 1.0)),
     (np.linspace(-0.8, 0.4, 3072).reshape(3, 32, 32), (-0.8, 0.8))],
)  # fmt: skip
def test_an_input_that_is_held_is_shown_where_its_pixels_are(amplitudes, limits):
    none = np.zeros(0, np.int64)
    image = np.zeros(amplitudes.shape, np.uint8)
    spikes = np.eye(5, dtype=bool)
    figure = raster(
        image, Input(none, none, amplitudes), spikes, np.zeros((6, 5)), None, 0, NAMES, 1e-3
    )
    axes = panels(figure)["inputs"]
    (picture,) = axes.images
    shown = np.ma.filled(picture.get_array().astype(float), np.nan)
    np.testing.assert_array_equal(shown[~np.isnan(shown)].size, amplitudes.size)
    np.testing.assert_array_equal(shown[:, : amplitudes.shape[-1]],
                                  amplitudes.reshape(-1, *amplitudes.shape[-2:])[0])  # fmt: skip
    assert picture.get_clim() == limits
    assert axes.get_title(loc="left").startswith("Input held for 5 steps")
    (bar,) = axes.child_axes
    assert bar.get_ylabel() == "of the read voltage"
    assert overlaps(figure) == []


def test_the_spikes_of_an_output_are_counted_and_the_most_win():
    none, spikes = np.zeros(0, np.int64), np.zeros((6, 5), bool)
    spikes[:4, 3], spikes[2:4, 1] = True, True
    figure = raster(
        np.zeros((28, 28), np.uint8), Input(none, none), np.eye(6, dtype=bool), spikes, None, 1,
        NAMES, 1e-3,
    )  # fmt: skip
    axes = panels(figure)["output"]
    assert texts(axes) == ["0", "2", "0", "4", "0"]
    assert texts(panels(figure)["about_output"]) == [
        "most spikes win:\nDress\n(wrong: it is Trouser)"
    ]
    ticks = places(axes)
    np.testing.assert_allclose(ticks[rgba(style.INK)], [[t, 3] for t in range(4)], rtol=1e-12)
    np.testing.assert_allclose(ticks[rgba(style.HIGHLIGHT)], [[2, 1], [3, 1]], rtol=1e-12)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES)
    assert axes.get_xlabel() == "time (ms)"


def test_a_silent_network_can_be_drawn():
    nothing = np.zeros(0, np.int64)
    figure = raster(
        np.zeros((28, 28), np.uint8), Input(nothing, nothing), np.zeros((5, 4), bool),
        np.zeros((6, 5)), 2, 0, NAMES, 1e-3,
    )  # fmt: skip
    assert drawn(figure).min() < 0.5


# --- devices -------------------------------------------------------------------------------------


COARSE = "taox_tabulated.yaml", "hfo2_multilevel.yaml", "voltage_tables.yaml"  # near the top soon


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_crosses_its_window_and_returns(preset):
    model = load_device(preset)
    traces = devices.simulate(model, seed=0)
    assert traces.shape == (2 * devices.PULSES + 1, devices.DEVICES)
    fraction = (traces.mean(1) - model.g_min_siemens) / model.window_siemens
    # The 41 devices of this one begin at their own lower ends, 4 to 30 uS; its window at the
    # median.
    assert fraction[0] < (0.1 if preset == "taox_tabulated.yaml" else 0.01)
    if preset == "taox_tabulated.yaml":  # one SET pulse nearly crosses, and the next ones wander
        assert fraction[1] > 0.5
    else:
        assert fraction[devices.CROSSING // 2] > 0.2
    if preset not in COARSE:
        assert fraction[devices.CROSSING // 2] < 0.9
    assert fraction[devices.PULSES] > 0.8
    assert fraction[-1] < 0.1


@pytest.mark.parametrize("preset", preset_names())
def test_the_picture_of_a_preset_holds_what_was_simulated(preset, monkeypatch):
    model, simulate, simulated = load_device(preset), devices.simulate, []

    def simulate_and_keep(of, *, seed):
        assert (of, seed) == (model, 3)
        simulated.append(simulate(of, seed=seed))
        return simulated[-1]

    monkeypatch.setattr(devices, "simulate", simulate_and_keep)
    figure = devices.pulse_response(model, seed=3)
    response, steps, reads = figure.axes
    (traces,) = (siemens * 1e6 for siemens in simulated)
    assert len(response.lines) == devices.DEVICES + 3  # each device, two halves of the mean, a rule
    np.testing.assert_allclose(lines(response)["SET"], traces[: devices.PULSES + 1].mean(1))
    np.testing.assert_allclose(lines(response)["RESET"], traces[devices.PULSES :].mean(1))
    assert response.get_ylabel() == f"conductance ({US})"
    assert set(lines(steps)) == {"SET", "RESET"}
    assert steps.get_ylabel() == f"step ({US} per pulse)"
    assert reads.get_xlabel() == f"resistance ({KOHM})"
    ohms = 1 / model.g_max_siemens, 1 / model.g_min_siemens
    np.testing.assert_allclose(np.array(reads.get_xlim()) * 1e3, ohms, rtol=1e-9)
    assert overlaps(figure) == []
    assert drawn(figure).std() > 0.05


def test_the_pulse_of_a_fine_grained_device_says_how_many_units_it_is():
    response, steps, _ = devices.pulse_response(load_device("ideal"), seed=0).axes
    assert response.get_xlabel() == "pulse number (1 pulse = 167,772 units)"
    np.testing.assert_allclose(lines(steps)["SET"], 9.99, rtol=1e-3)


def test_a_weak_device_gets_more_pulses_up_to_a_limit_and_all_are_counted():
    oxram = load_device("oxram_literature")
    response, steps, _ = devices.pulse_response(replace(oxram, set_fraction=1e-6), seed=0).axes
    most = devices.PULSES * devices.MOST_UNITS
    assert texts(response) == [f"{most:,} SET pulses", f"{most:,} RESET pulses"]
    assert response.get_xlim() == (0, 2 * most)
    assert response.get_xlabel() == "pulse number"
    assert lines(steps)["SET"].max() < 1e-6 * oxram.window_siemens * 1e6 * 1.001


def test_read_noise_is_drawn_in_percent_or_said_to_be_absent():
    noisy, silent = (
        devices.pulse_response(load_device(name), seed=0).axes[2]
        for name in ("oxram_literature", "ideal")
    )
    assert lines(noisy)["read noise"][-1] == pytest.approx(100 * (0.5**2 + 0.01**2) ** 0.5)
    assert not silent.lines
    assert texts(silent) == ["no read noise"]


# --- style ---------------------------------------------------------------------------------------


def test_names_are_moved_apart_but_not_out_of_the_axes():
    np.testing.assert_allclose(style.spread([0.2, 0.8], 0.1), [0.2, 0.8])
    np.testing.assert_allclose(style.spread([0.5, 0.52], 0.1), [0.46, 0.56])
    np.testing.assert_allclose(style.spread([0.0, 0.0, 0.05], 0.1), [0.0, 0.1, 0.2])
    np.testing.assert_allclose(style.spread([0.97, 1.0], 0.1), [0.9, 1.0])


@pytest.mark.parametrize("seed", range(20))
def test_spread_names_keep_their_order_and_their_distance(seed):
    wanted = np.sort(np.random.default_rng(seed).random(6))
    places = style.spread(list(wanted), 0.1)
    assert (np.diff(places) > 0.1 - 1e-9).all()
    assert min(places) >= -1e-9
    assert max(places) <= 1.0 + 1e-9


@pytest.mark.parametrize(
    ("largest", "letter"),
    [(0.0, ""), (1.0, ""), (999.0, ""), (1000.0, "k"), (9e6, "M"), (2e-4, "\N{MICRO SIGN}"),
     (1e-3, "m"), (1e-20, "f"), (1e15, "G")],
)  # fmt: skip
def test_the_prefix_of_a_value(largest, letter):
    assert si_prefix(largest)[1] == letter


def test_a_saved_figure_is_a_whole_png_and_the_same_each_time(tmp_path, epochs):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        style.save(training.accuracy(epochs), path)
    assert sorted(tmp_path.iterdir()) == paths  # no partial file is left
    assert paths[0].read_bytes() == paths[1].read_bytes()
    pixels = imread(paths[0])
    assert pixels.shape[:2] == (3.6 * 150, 6.0 * 150)
    assert pixels[:, :, :3].std() > 0.05


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "{path} is a folder; name a .png file"),
        ("figure.pdf", "{path} must end in .png"),
        ("missing/figure.png", "there is no folder {path.parent}"),
        (f"{'a' * 300}.png", "{path}: File name too long"),
    ],
)
def test_a_path_that_cannot_be_is_refused_in_one_line(tmp_path, epochs, name, reason):
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with pytest.raises(ConfigError) as caught:
        style.save(training.accuracy(epochs), path)
    assert str(caught.value) == f"{reason.format(path=path)}; no figure was written"
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_full_disk_leaves_what_was_there(tmp_path, epochs, monkeypatch):
    path = tmp_path / "figure.png"
    path.write_bytes(b"before")

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(style.atomic, "write", full)
    with pytest.raises(ConfigError, match="No space left on device; no figure was written"):
        style.save(training.accuracy(epochs), path)
    assert path.read_bytes() == b"before"


def test_drawing_changes_no_global_setting(epochs):
    before = dict(matplotlib.rcParams)
    drawn(training.pulses(epochs))
    assert dict(matplotlib.rcParams) == before


def test_a_confusion_matrix_says_shares_of_its_rows_and_the_accuracy():
    counts = np.array([[8, 2, 0], [0, 0, 0], [1, 3, 6]])
    figure = confusion(counts, ("a$b", "b", "c"))
    axes = figure.axes[0]
    shown = axes.images[0].get_array()
    np.testing.assert_allclose(shown, [[80, 20, 0], [0, 0, 0], [10, 30, 60]])
    assert axes.get_title(loc="left") == "70.0% of 20 samples right"
    assert sorted(text.get_text() for text in axes.texts) == ["10", "20", "30", "60", "80"]
    with pytest.raises(RunError, match="nothing was drawn"):
        confusion(counts, ("a", "b"))


def test_what_was_taken_for_what_is_counted():
    labels, predictions = np.array([0, 0, 2, 1]), np.array([0, 1, 2, 2])
    assert counted(labels, predictions, 3) == [[1, 1, 0], [0, 0, 1], [0, 0, 1]]
