"""What an estimate of energy does not say, in words; the same for every run."""

MARGIN_POINTS = 2.32
MARGIN_SOURCE = (
    "W. Wan et al., Nature 608, 504-512, 2022 (NeuRRAM, CIFAR-10), as quoted by others: the chip "
    f"scored {MARGIN_POINTS} points less than its own calibrated simulation"
)

LEFT_OUT = (
    "Input and output of the chip: pads, links to other chips, the memory that holds the images, "
    "and turning images into spikes.",
    "Clock generation (PLL), clock tree, bandgap and bias, voltage regulators and their losses, "
    "charge pumps for write voltages.",
    "The host: what computes gradients and decides on pulses during training, and its memory.",
    "Losses in word lines, bit lines and select transistors: a read costs V\N{SUPERSCRIPT TWO} G t "
    "of its devices alone.",
    "Forming, tests after fabrication, calibration of converters, repair, spare lines, yield.",
    "Waiting times between programming and verifying, and rewriting of devices that drift.",
    "Cooling, package, board.",
)

CHIPS = (
    ("TrueNorth", "28", "26 pJ/SOP", "all included, as quoted by others"),
    ("ODIN", "28", "12.7 pJ/SOP", "as published"),
    (
        "Loihi",
        "14",
        "\N{GREATER-THAN OR EQUAL TO} 23.6 pJ/SOP",
        "a lower bound: of the synaptic operation alone, simulated before silicon "
        "(Davies et al., 2018, as quoted by others); its neurons, spikes and static power "
        "come on top",
    ),
)

FLATTERS = (
    f"{MARGIN_SOURCE}. Every accuracy here is simulated: take that margin off before comparing it "
    "with a chip.",
    "Energy per synaptic operation compares only between networks of the same task and the same "
    "accuracy: a network that fires twice as often for nothing has the better pJ/SOP.",
    "Published chips count different things, at other tasks and accuracies: the table below is for "
    "the order of magnitude alone.",
    "Utilisation: NeuRRAM's energy-delay product is quoted at full use of its array; networks use "
    "4.5 to 24 % of it. Here the columns of a half-empty tile are counted as far as they are used, "
    "but their area in full.",
    "Devices on the chip can be worse than the fitted ones in ways that no file told: temperature, "
    "yield, drift over weeks.",
)
