"""The panel over HTTP: what it shows, what it may do, and who may ask."""

import asyncio
import base64
import dataclasses
import runpy
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from xbar_panel import Browser, running
from xbar_scpi import Raw, same_board, served, service

from crossbar.boards.limits import Limits
from crossbar.boards.panel.history import DEVICES, OPERATIONS, Recent
from crossbar.boards.panel.server import CLIENTS, PanelServer
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.scpi.bench import Bench
from crossbar.boards.scpi.client import ScpiBoard
from crossbar.boards.scpi.instrument import Instrument
from crossbar.boards.scpi.serving import panel_of
from device_models.errors import ConfigError

CELL = {"word": 1, "bit": 2}
ON = {"is_on": True}


class Both:
    """A service of 4 x 5 cells, its panel, and a page of it."""

    def __init__(self, **given):
        self.service = service(**given)
        self.panel = panel_of(self.service)
        self.bench = self.service.instrument.bench
        self.emulator = self.bench.emulator

    def __enter__(self):
        self.context = running((self.service.server, "127.0.0.1", 0), (self.panel, 0))
        self.context.__enter__()
        self.page = Browser(self.panel.address)
        return self

    def __exit__(self, *error):
        self.page.close()
        self.context.__exit__(*error)
        self.service.close()

    def truth(self):
        return self.emulator.array_siemens().numpy().copy()

    def board(self):
        return ScpiBoard(*self.service.server.address)


@pytest.fixture
def both():
    with Both() as made:
        yield made


def batch(device, count):
    return PulseBatch(np.array(device, np.int32), np.array(count, np.int32))


# Looking


def test_the_page_is_one_file_that_asks_nobody_else(both):
    assert both.page.status == 200
    assert "http://" not in both.page.text
    assert "https://" not in both.page.text
    policy = both.page.answer["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    with Browser(both.panel.address) as other:
        assert len(other.token) > 64
        assert other.token != both.page.token


def test_looking_disturbs_nothing(both):
    before, counted = both.truth(), both.bench.board.counters
    for _ in range(20):
        for path in ("/api/state", "/api/map", "/api/map?of=reads", "/api/cell?word=3&bit=4"):
            both.page.get(path)
    assert both.bench.board.counters == counted
    np.testing.assert_array_equal(both.truth(), before)
    with both.board() as board:  # and no random number was drawn
        np.testing.assert_array_equal(board.read().numpy(), same_board().read().numpy())


def test_the_map_is_the_truth_or_the_last_reads(both):
    truth, about = both.page.map()
    np.testing.assert_array_equal(truth, both.truth())
    assert (about["source"], about["known"], sum(about["histogram"])) == ("truth", 20, 20)
    assert about["low_siemens"] == pytest.approx(both.bench.sheet.g_min_siemens)
    assert both.page.get(f"/api/map?known={about['check']}")["is_same"]
    reads, about = both.page.map("of=reads")
    assert np.isnan(reads).all()
    assert (about["source"], about["known"]) == ("reads", 0)
    with both.board() as board:
        seen = board.read(np.array([7, 19])).numpy()
    reads, about = both.page.map("of=reads")
    np.testing.assert_array_equal(reads.reshape(-1)[[7, 19]], seen)
    assert about["known"] == 2


def test_a_large_array_is_looked_at_through_a_window_that_stays_inside():
    with Both(size=served(rows=300, columns=3)) as both:
        part, about = both.page.map("word=9&bit=9")
        assert (about["word"], about["bit"]) == (9, 0)
        np.testing.assert_array_equal(part, both.truth()[9:265])
        _, about = both.page.map("word=5000")
        assert (about["word"], about["words"], about["cells"]) == (44, 256, 900)


# Reads and pulses


def test_a_click_sends_the_pulse_that_the_seam_sends(both):
    assert both.page.post("/api/output", ON) == (200, {"is_output": True})
    own = {"volts": None, "seconds": None}
    wishes = [own | {"count": 2}, {"volts": -1.1, "seconds": 2e-7}, own | {"direction": -1}]
    reference = same_board()
    for wish, count, shape in zip(
        wishes, (2, -1, -1), (None, PulseShape(1.1, 2e-7), None), strict=True
    ):
        status, done = both.page.post("/api/pulse", CELL | wish)
        assert (status, done["warnings"]) == (200, [])
        reference.pulse(batch([7], [count]), shape)
        np.testing.assert_array_equal(both.truth(), reference.array_siemens().numpy())
    assert both.bench.board.counters.as_dict() == reference.counters.as_dict()
    assert both.bench.writer is None  # a script does not wait for a panel


def test_a_read_counts_and_is_the_boards(both):
    status, done = both.page.post("/api/read", CELL)
    assert status == 200
    assert done["cell"]["last_siemens"] == float(same_board().read(np.array([7]))[0])
    assert both.bench.board.counters.device_reads == 1


def test_the_history_of_a_cell_holds_pulses_and_reads_of_all_clients(both):
    first = float(both.truth()[1, 2])
    with both.board() as board:
        board.pulse(batch([7, 8, 3], [3, -2, 0]), PulseShape(np.array([1.2, 1.3, 1.0]), 5e-8))
        middle = float(both.truth()[1, 2])
        seen = float(board.read()[1, 2])
    both.page.post("/api/output", ON)
    both.page.post("/api/pulse", CELL | {"volts": -1.25, "seconds": 1e-7, "count": 4})
    about = both.page.get("/api/cell?word=1&bit=2")
    last, read, pulse = about["events"]
    assert (last["count"], last["volts"], last["width_seconds"]) == (-4, 1.25, 1e-7)
    assert (last["before_siemens"], last["siemens"]) == (middle, float(both.truth()[1, 2]))
    assert (read["count"], read["siemens"], read["volts"]) == (0, seen, None)
    assert (pulse["count"], pulse["volts"], pulse["width_seconds"]) == (3, 1.2, 5e-8)
    assert (pulse["before_siemens"], pulse["siemens"]) == (first, middle)
    assert (about["set_pulses"], about["reset_pulses"]) == (3, 4)
    newest, oldest = both.page.get("/api/state")["pulses"]
    assert (newest["word"], newest["bit"], newest["reset_pulses"]) == (1, 2, 4)
    assert (oldest["word"], oldest["devices"]) == (None, 3)
    assert (oldest["set_pulses"], oldest["reset_pulses"], oldest["volts"]) == (3, 2, [1.2, 1.3])
    assert len(both.page.get("/api/cell?word=1&bit=3")["events"]) == 2
    assert both.page.get("/api/cell?word=0&bit=3")["events"][-1]["count"] == 0


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"volts": 2.61}, "2.61 V is not within +-2.6 V"),
        ({"volts": -9.0}, "-9 V is not within"),
        ({"volts": 0}, "0 V is no pulse; SET has up to 2.6 V, RESET down to -2.6 V"),
        ({"seconds": 2e-3}, "width: 0.002 s is outside [0, 0.001] s; nothing was sent"),
        ({"seconds": -1e-7}, "width: -1e-07 s is outside"),
        ({"seconds": 0}, "width: 0 is no width of a pulse; it is above 0"),
        ({"count": 10_001}, "10001 pulses: 1 to 10000 a click"),
        ({"count": 0}, "0 pulses: 1 to 10000"),
        ({"word": 4}, "there is no cell 4, 2; the array has 4 x 5"),
        ({"bit": -1}, "there is no cell 1, -1"),
    ],
)
def test_a_pulse_beyond_the_limits_is_refused_and_changes_nothing(both, wish, text):
    both.page.post("/api/output", ON)
    before, counted = both.truth(), both.bench.board.counters
    status, answer = both.page.post("/api/pulse", CELL | {"volts": 1.2, "seconds": 1e-7} | wish)
    assert status == 409
    assert text in answer["error"]
    assert both.bench.board.counters == counted
    np.testing.assert_array_equal(both.truth(), before)
    assert both.page.get("/api/state")["pulses"] == []


def test_no_pulse_goes_out_while_the_output_is_off_or_another_client_writes(both):
    status, answer = both.page.post("/api/pulse", CELL)
    assert (status, answer["error"]) == (
        409, "OUTP is OFF; nothing was sent",
    )  # fmt: skip
    with Raw(both.service.server.address) as script:
        assert script.ask("OUTP ON;:SYST:LOCK:REQ?") == "1"
        status, answer = both.page.post("/api/pulse", CELL)
        assert status == 409
        assert "127.0.0.1:" in answer["error"]
        assert both.page.post("/api/output", ON)[0] == 409
        assert both.page.post("/api/read", CELL)[0] == 200  # reading is free
        assert both.page.post("/api/output", {"is_on": False})[0] == 200  # as everyone may
        assert script.ask("OUTP?") == "0"
    assert both.bench.board.counters.set_pulses == 0


def test_the_errors_of_all_clients_are_shown_and_stay_in_their_queues(both):
    with Raw(both.service.server.address) as script:
        script.send(b"PULS:ONE 0,0,9,1e-7\n")
        assert script.ask("SYST:ERR:COUN?") == "1"
        both.page.post("/api/pulse", CELL | {"volts": 5.0})
        mine, theirs = both.page.get("/api/state")["errors"]
        assert (mine["client"], theirs["client"][:10]) == ("panel", "127.0.0.1:")
        assert "9 V is not within" in theirs["text"]
        assert script.ask("SYST:ERR:COUN?") == "1"


def test_a_click_that_was_answered_is_there_after_a_crash(tmp_path):
    with Both(state=tmp_path / "state") as both:
        both.page.post("/api/output", ON)
        assert both.page.post("/api/pulse", CELL)[0] == 200
        expected, copy = both.truth(), tmp_path / "copy"
        copy.mkdir()
        for path in tmp_path.glob("state*"):
            shutil.copy(path, copy)
    restored = service(state=copy / "state")
    np.testing.assert_array_equal(
        restored.instrument.bench.emulator.array_siemens().numpy(), expected
    )
    restored.close()


def test_a_real_board_is_shown_by_its_reads():
    path = Path(__file__).parents[2] / "examples" / "extend" / "board.py"
    board = runpy.run_path(str(path))["Potentiometers"]((4, 5))
    board.info = dataclasses.replace(
        board.info, set_volts=1.0, reset_volts=1.0, set_seconds=1e-7, reset_seconds=1e-7
    )
    limits = Limits(
        volts=2.0, seconds=1e-3, compliance_amperes=None, pulses_per_cell=None, joules=None
    )
    panel = PanelServer(Instrument(Bench(board, limits)))
    with running((panel, 0)), Browser(panel.address) as page:
        siemens, about = page.map()
        assert np.isnan(siemens).all()
        assert about["source"] == "reads"
        page.post("/api/read", CELL)
        page.post("/api/output", ON)
        page.post("/api/pulse", CELL | {"count": 500})
        (pulse,) = page.get("/api/state")["pulses"]
        assert pulse["before_siemens"] == pytest.approx(1e-6, rel=1e-6)
        assert (pulse["after_siemens"], pulse["volts"]) == (None, [1.0, 1.0])  # nobody has read it
        page.post("/api/read", CELL)
        (pulse,) = page.get("/api/state")["pulses"]
        assert pulse["after_siemens"] == pytest.approx(5.05e-5, rel=1e-6)
        assert page.get("/api/cell?word=1&bit=2")["truth_siemens"] is None
        assert page.map()[0][1, 2] == pytest.approx(5.05e-5, rel=1e-6)
        assert board.counters.device_reads == 2


def test_what_is_remembered_is_bounded():
    recent = Recent()
    for number in range(3 * OPERATIONS):
        recent.add(number, 1)
    assert list(recent.newest_first()) == list(range(3 * OPERATIONS - 1, 2 * OPERATIONS - 1, -1))
    recent.add("large", 2 * DEVICES)
    assert list(recent.newest_first()) == ["large"]


# Who may ask


FOREIGN = {
    "no token": ({"X_Panel_Token": None}, 403),
    "another token": ({"X_Panel_Token": f"aaaa.{'0' * 64}"}, 403),
    "half a token": ({"X_Panel_Token": "."}, 403),
    "a token of bytes": ({"X_Panel_Token": "\xff.\xff"}, 400),
    "another site": ({"Origin": "http://example.com"}, 403),
    "a sandboxed frame": ({"Origin": "null"}, 403),
    "a form": ({"Content_Type": "text/plain"}, 415),
    "no type": ({"Content_Type": None}, 415),
    "another host": ({"Host": "example.com"}, 421),
    "another port": ({"Host": "127.0.0.1:1"}, 421),
    "a name that only ends alike": ({"Host": "x127.0.0.1:80"}, 421),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_no_other_page_can_pulse(both, name):
    headers, status = FOREIGN[name]
    both.page.post("/api/output", ON)
    assert both.page.post("/api/pulse", CELL, **headers)[0] == status
    assert both.bench.board.counters.set_pulses == 0
    with Browser(both.panel.address) as page:  # and the server goes on
        assert page.post("/api/pulse", CELL)[0] == 200
    assert both.bench.board.counters.set_pulses == 1


def test_another_host_reads_nothing(both):
    status, answer = both.page.ask("GET", "/", Host="evil.example")
    assert status == 421
    assert both.page.token not in str(answer)


def test_a_token_of_another_server_is_none(both):
    with Both() as other:
        assert both.page.post("/api/read", CELL, X_Panel_Token=other.page.token)[0] == 403


def test_a_server_with_a_token_asks_the_browser_for_it():
    with Both(token="a long secret") as both:
        assert both.page.status == 401
        assert both.page.answer["WWW-Authenticate"] == 'Basic realm="xbar"'
        for secret in ("wrong", "", "a long secre"):
            password = base64.b64encode(f"me:{secret}".encode()).decode()
            with Browser(both.panel.address, Authorization=f"Basic {password}") as page:
                assert page.status == 401
        password = base64.b64encode(b"me:a long secret").decode()
        with Browser(both.panel.address, Authorization=f"Basic {password}") as page:
            assert page.status == 200
            assert page.post("/api/read", CELL)[0] == 200


# Malformed


HEAD = "Host: 127.0.0.1:{port}\r\n"
MALFORMED = {
    "noise": (b"\x00\xff\xfe\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "another version": (b"GET / HTTP/2.0\r\n\r\n", 400),
    "a target that is no path": (b"GET http://x/ HTTP/1.1\r\n\r\n", 400),
    "a header without colon": (b"GET / HTTP/1.1\r\nHost\r\n\r\n", 400),
    "a folded header": (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 421),
    "too many headers": (b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(65))
                         + b"\r\n", 431),
    "a long header": (b"GET / HTTP/1.1\r\nA: " + b"b" * 20_000 + b"\r\n\r\n", 431),
    "a long body": (b"POST /api/pulse HTTP/1.1\r\nContent-Length: 4097\r\n\r\n", 413),
    "a body without end": (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
    "a length below 0": (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    "pieces": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    "another method": (b"BREW / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", 405),
    "a folder up": (b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", 404),
    "a host in brackets": (b"GET //[x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", 400),
    "no number": (b"GET /api/map?word=x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", 400),
    "a cell too far": (b"GET /api/cell?word=4 HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", 404),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_refused_with_its_code(both, name):
    data, status = MALFORMED[name]
    data = data.replace(b"PORT", str(both.panel.address[1]).encode())
    with Raw(both.panel.address) as client:
        client.send(data)
        assert client.line().split()[:2] == ["HTTP/1.1", str(status)]
    assert both.page.get("/api/state")["now_seconds"] > 0.0


@pytest.mark.parametrize(
    "wish",
    [
        {}, {"word": 1}, {"word": "1", "bit": 2}, {"word": True, "bit": 2}, {"word": 1.5, "bit": 2},
        CELL | {"volts": "1.2"}, CELL | {"volts": float("nan")}, CELL | {"volts": float("inf")},
        CELL | {"seconds": [1e-7]}, CELL | {"count": "all"}, CELL | {"count": 1e3},
        CELL | {"volts": 10**400}, CELL | {"volts": "1;:OUTP OFF"}, [1, 2], None, "text",
    ],
)  # fmt: skip
def test_a_wish_of_the_wrong_kind_is_refused(both, wish):
    both.page.post("/api/output", ON)
    status, answer = both.page.post("/api/pulse", wish)
    assert status == 400, answer
    assert both.bench.board.counters.set_pulses == 0
    assert both.bench.settings.is_output


def test_a_client_that_leaves_in_the_middle_harms_nobody(both):
    for data in (b"", b"GET /api", b"POST /api/pulse HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
        with Raw(both.panel.address) as client:
            client.send(data)
    assert both.page.get("/api/state")["pulses"] == []


# Many


def test_many_pages_are_served_at_once_and_one_too_many_is_hung_up_on(both):
    pages = [Browser(both.panel.address) for _ in range(CLIENTS - 1)]  # and the one of `both`
    with Raw(both.panel.address) as more:
        more.send(b"GET / HTTP/1.1\r\n\r\n")
        assert more.is_hung_up()
    results, truth = [], both.truth()

    def look(page):
        siemens, _ = page.map()
        results.append((siemens == truth).all() and page.get("/api/state")["clients"] == 0)

    threads = [threading.Thread(target=look, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [True] * len(pages)
    for page in pages:
        page.close()


def test_a_port_in_use_is_one_line(both):
    panel = PanelServer(service().instrument)
    port = both.panel.address[1]
    with pytest.raises(ConfigError, match=rf"cannot serve 127\.0\.0\.1:{port}: it is in use; noth"):
        asyncio.run(panel.start(port))


# The page itself


def chromium(*arguments, timeout=120):
    name = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if name is None:
        pytest.skip("there is no chromium on this machine (Debian: apt-get install chromium)")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    return subprocess.run(
        [name, *options, *arguments], capture_output=True, text=True, timeout=timeout, check=True
    )


def test_the_page_renders_in_chromium_without_a_console_error(both, tmp_path):
    with both.board() as board:
        board.pulse(batch([7], [3]))
        board.read()
    url = f"http://127.0.0.1:{both.panel.address[1]}/#1,2"
    picture = tmp_path / "panel.png"
    counted = both.bench.board.counters
    common = [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=4000", url]
    page = chromium("--dump-dom", *common)
    assert "CONSOLE" not in page.stderr
    for text in (
        "emulated Oxram",
        "4 \N{MULTIPLICATION SIGN} 5",
        "3 SET",
        "1.2 V",
        "100 ns",
        "last read",
    ):
        assert text in page.stdout, text
    drawn = chromium(f"--screenshot={picture}", "--window-size=1200,800", *common)
    assert "CONSOLE" not in drawn.stderr
    assert picture.stat().st_size > 20_000
    assert both.bench.board.counters == counted


CLICKS = """
const pause = () => new Promise(done => setTimeout(done, 400));
turn().then(async () => {
  const box = $("map").getBoundingClientRect();
  const at = (n, start) => start + (n + 0.5) * place.size;
  const where = {clientX: box.left + at(2, place.left), clientY: box.top + at(1, place.top)};
  $("map").dispatchEvent(new MouseEvent("click", where));
  await pause(); $("output").click();
  await pause(); $("count").value = 3; $("set").click();
  await pause(); $("count").value = 1; $("reset-volts").value = 1.1; $("reset").click();
  await pause(); $("set-volts").value = ""; $("set").click();
  await pause(); $("reset-volts").value = 9; $("reset").click();
  await pause(); $("read").click();
  await pause(); $("word").value = 3; $("word").onchange(); $("of").click();
  await pause(); $("word").value = 4; $("word").onchange();
});
</script>"""


class Clicked(PanelServer):
    """A panel whose page clicks on itself."""

    def _page(self, request):
        page = super()._page(request)
        body = page.body.replace(b"turn();\n</script>", CLICKS.encode())
        assert body != page.body
        return dataclasses.replace(page, body=body)


def test_clicks_choose_a_cell_switch_the_output_pulse_and_read(tmp_path):
    instrument = service().instrument
    panel, reference = Clicked(instrument), same_board()
    with running((panel, 0)):
        url = f"http://127.0.0.1:{panel.address[1]}/"
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        page = chromium("--dump-dom", profile, "--virtual-time-budget=9000", url)
    assert "CONSOLE" not in page.stderr
    reference.pulse(batch([7], [3]))
    reference.pulse(batch([7], [-1]), PulseShape(1.1))
    reference.read(np.array([7]))
    assert instrument.bench.board.counters.as_dict() == reference.counters.as_dict()
    siemens = instrument.bench.emulator.array_siemens().numpy()
    np.testing.assert_array_equal(siemens, reference.array_siemens().numpy())
    assert "-9 V is not within +-2.6 V" in page.stdout
    assert "There is no cell 4, 2; the array has 4 \N{MULTIPLICATION SIGN} 5" in page.stdout
    assert "1 of 20 cells" in page.stdout  # the map of the last reads


def test_the_check_above_would_see_a_console_error(tmp_path):
    page = tmp_path / "broken.html"
    page.write_text("<script>missing()</script>")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    result = chromium("--dump-dom", profile, Path(page).as_uri())
    assert "CONSOLE" in result.stderr
