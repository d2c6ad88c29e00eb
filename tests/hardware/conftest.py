"""`pytest tests/hardware --board ADDRESS`: the suite on a board; without, on emulated ones.

--board tcp://HOST:PORT        an instrument
--board python:MODULE.FUNCTION what a function of one's own opens
--board-token T                what its server asks for
--allow-pulses                 the checks that send pulses too, on a board that is no emulator
--cells 0-63,100               flat indices of the devices that may be used
"""

import pytest
from xbar_lab_boards import BOARDS, simulated

from crossbar.boards.conformance import CHECKS, run_checks
from crossbar.boards.drivers import open_driver
from crossbar.boards.recorded import PlayedBoard, RecordingBoard

PLAYED, PYTHON = "played", "python:"


def pytest_addoption(parser):
    group = parser.getgroup("xbar", "a board to check")
    group.addoption("--board", metavar="ADDRESS", help="Which board; none: emulated ones.")
    group.addoption("--board-token", metavar="T", help="What its server asks for.")
    group.addoption("--allow-pulses", action="store_true", help="Send pulses to it too.")
    group.addoption("--cells", metavar="LIST", help="Devices that may be used: 0-63,100.")


def option(config, name):
    """An option; None where this folder is collected on the way, from another one."""
    return config.getoption(name, default=None)


def pytest_generate_tests(metafunc):
    if "board" in metafunc.fixturenames:
        address = option(metafunc.config, "--board")
        names = [*BOARDS, PLAYED] if address is None else [address]
        metafunc.parametrize("board", names, indirect=True, scope="module")
    if "check" in metafunc.fixturenames:
        metafunc.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])


@pytest.fixture(scope="module")
def board(request, tmp_path_factory):
    """One board for all checks, in their order; the last of them closes it."""
    if request.param in BOARDS:
        return BOARDS[request.param]()
    if request.param == PLAYED:
        path = tmp_path_factory.mktemp("session") / "session.jsonl"
        run_checks(RecordingBoard(simulated(), path))
        return PlayedBoard(path)
    if request.param.startswith(PYTHON):
        return open_driver(request.param.removeprefix(PYTHON))
    from crossbar.boards.address import open_board

    return open_board(request.param, token=option(request.config, "--board-token"))


@pytest.fixture(scope="module")
def may_pulse(request, board):
    """Whether the checks that send pulses are run."""
    return board.info.is_emulator or bool(option(request.config, "--allow-pulses"))


@pytest.fixture(scope="module")
def cells(request):
    """Flat indices of the devices that may be used; None for any."""
    text = option(request.config, "--cells")
    if text is None:
        return None
    spans = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return [cell for span in spans for cell in range(span[0], span[-1] + 1)]
