"""`make fuzz`: damaged files for every reader, in numbers that a test suite has no time for.

    python tests/fuzz/fuzz_run.py [--inputs 100000] [--seed 0] [--only NAME] [--faults DIR]

A fault is anything but success or one of the project's own errors in lines of plain text; more than
5 s of processor time; or more than 1 GB of memory for a file under 1 MB. Each reader runs in a
process of its own, so that one which dies by a signal is a fault too. Faulty files are kept in the
folder that is printed, with what happened beside them.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from random import Random

for helpers in ("fuzz", "helpers"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / helpers))

from fuzz_readers import READERS  # noqa: E402  # found by the paths above

from device_models.errors import ConfigError, XbarError  # noqa: E402

MOST_SECONDS, MOST_BYTES = 5.0, 1 << 30
MOST_LINES, LONGEST_LINE = 110, 4000
KEPT = 20  # faulty files of a reader


class TooLongError(Exception):
    """A reader takes more processor time than any file may."""


def fault_of(read, path):
    """What is wrong with how a reader ends on a file; "" if nothing is.

    Args:
        read: Takes the path.
        path: The file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", RuntimeWarning)  # a number that overflowed unnoticed
            read(path)
    except XbarError as e:
        return fault_of_message(e)
    except BaseException as e:  # noqa: BLE001  # whatever it is, it is a fault
        where = traceback.extract_tb(e.__traceback__)
        ours = [at for at in where if "/tests/" not in at.filename] or where
        near = [at for at in ours if "site-packages" not in at.filename][-1:] or ours[-1:]
        text = " ".join(str(e).split())[:200]
        return f"{type(e).__name__} at {Path(near[0].filename).name}:{near[0].lineno}: {text!a}"
    return ""


def fault_of_message(error):
    """What is wrong with the message of an error; "" if nothing is."""
    lines = str(error).split("\n")
    most = MOST_LINES if isinstance(error, ConfigError) else 1
    if len(lines) > most or max(map(len, lines)) > LONGEST_LINE or not all(lines):
        return (
            f"{type(error).__name__} of {len(lines)} lines, the longest of {max(map(len, lines))}"
        )
    if not all(line.replace("\t", " ").isprintable() for line in lines):
        odd = sorted({c for line in lines for c in line if not c.isprintable()})
        return f"{type(error).__name__} with characters that no terminal shows: {odd!a}"
    return ""


def begin(reader, folder):
    """Put the files into a folder that lie beside the damaged one."""
    folder.mkdir(parents=True, exist_ok=True)
    reader.folder(folder)
    return folder / reader.name


def inputs(reader, seed, count):
    """So many damaged files: whole ones in turn, damaged by what the seed draws."""
    random, files = Random(seed), reader.files()  # nothing is secret
    for number in range(count):
        yield reader.damage(random, files[number % len(files)])


def stop(signal_number, frame):
    """End a reader that takes too long."""
    raise TooLongError(f"more than {MOST_SECONDS:g} s")


def work(name, count, seed, faults, report):
    """Try one reader in this process; writes a line per fault kind, then the figures."""
    reader, kinds, slowest, before = READERS[name], Counter(), 0.0, peak_bytes()
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # until the process ends
    signal.signal(signal.SIGPROF, stop)
    path = begin(reader, Path(tempfile.mkdtemp(prefix="xbar-fuzz-")))
    reader.files()
    limit_memory()
    for number, content in enumerate(inputs(reader, seed, count)):
        path.write_bytes(content)
        current = faults / f"{name.replace(' ', '_')}_current{path.suffix}"
        current.write_bytes(content)
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
        fault = fault_of(reader.read, path)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        slowest = max(slowest, time.process_time() - began)
        if fault:
            kind = fault.partition(": ")[0]
            kinds[kind] += 1
            if kinds[kind] == 1 and len(kinds) <= KEPT:
                kept = faults / f"{name.replace(' ', '_')}_{number}{path.suffix}"
                kept.write_bytes(content)
                kept.with_suffix(".txt").write_text(fault + "\n")
                report.write(f"fault {fault} ({kept.name})\n")
        current.unlink()
    report.write(f"done {count} {sum(kinds.values())} {slowest} {peak_bytes() - before}\n")


def limit_memory():
    """Let an allocation of more than 1 GB beyond what is there fail."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def peak_bytes():
    """The most memory that this process held."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_a_process(name, count, seed, faults):
    """`work` in a child; its lines, and one more if it died."""
    log = faults / f"{name.replace(' ', '_')}.log"
    child = os.fork()
    if not child:
        with log.open("w", buffering=1) as report:
            work(name, count, seed, faults, report)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    lines = log.read_text().splitlines() if log.exists() else []
    if status:
        lines.append(f"fault the process ended with status {status}; the file is ..._current")
    return lines


def main():
    """Try all readers and print what happened; exit code 1 with any fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="of all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=READERS, action="append")
    parser.add_argument("--faults", type=Path, help="folder for files that end in a fault")
    given = parser.parse_args()
    faults = given.faults or Path(tempfile.mkdtemp(prefix="xbar-faults-"))
    faults.mkdir(parents=True, exist_ok=True)
    names, total = given.only or list(READERS), 0
    each = -(-given.inputs // len(names))
    print(f"seed {given.seed}; files that end in a fault are kept in {faults}")
    print(f"{'reader':<18}{'inputs':>8}{'faults':>8}{'slowest s':>11}{'memory MB':>11}{'CPU s':>8}")
    for number, name in enumerate(names):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        *lines, last = in_a_process(name, each, given.seed * 1000 + number, faults) or [""]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        parts = last.split()
        if parts[:1] == ["done"]:
            done, found, slowest, memory = parts[1:]
            print(f"{name:<18}{done:>8}{found:>8}{float(slowest):>11.2f}"
                  f"{float(memory) / 1e6:>11.0f}{spent:>8.0f}", flush=True)  # fmt: skip
            total += int(found)
        else:
            lines, total = [*lines, last], total + 1
            print(f"{name:<18} died", flush=True)
        print("".join(f"  {line.removeprefix('fault ')}\n" for line in lines), end="", flush=True)
    print(f"{total} faults")
    return bool(total)


if __name__ == "__main__":
    sys.exit(main())
