"""The group `xbar`: names its commands without importing them, and turns errors into one message.

A command is one file `cli/NAME.py` and one line in `COMMANDS`. Importing this module must stay far
under 0.3 s, so nothing heavy is imported here, and nothing of a command until it is called.
"""

import difflib
import errno
import importlib
import re
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import click

from device_models.errors import ConfigError, XbarError, says_consequence

from . import interrupts
from .text import echo

COMMANDS = {  # name -> (module:attribute, what `xbar --help` says about it)
    "train": ("cli.train:train", "Train a network whose only weights are conductances."),
    "fit": ("cli.fit:fit", "Fit a device to files of measurements, with 95 % intervals."),
    "analyze": ("cli.analyze:analyze", "What chips do to a tile or a trained network; its spikes."),
    "sweep": ("cli.sweep:sweep", "Many trainings, on this machine or on a Dask cluster."),
    "program": ("cli.program:program", "Write a trained network into a chip, and let it age."),
    "export": ("cli.export:export", "Write a trained network as a graph of NIR."),
    "estimate": ("cli.estimate:estimate", "Energy, time and area of a run on a chip to propose."),
    "characterize": ("cli.characterize:characterize", "Measure a board for `xbar fit`."),
    "serve": ("cli.serve:serve", "The emulated board as an SCPI instrument on a TCP socket."),
    "data": ("cli.data:data", "List the data sets with their licences, or fetch them."),
    "devices": ("cli.devices:devices", "List the device models, or show one with its ranges."),
    "doctor": ("cli.doctor:doctor", "What this machine has, what is broken, what a board does."),
}
REFUSED = {  # by the system, and no fault of the program
    errno.ENOSPC: "no space left on device",
    errno.EDQUOT: "no space left on device",
    errno.EFBIG: "a file is larger than the limit (ulimit -f)",
    errno.EROFS: "read-only file system",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "file name too long",
    errno.ELOOP: "links that lead in a circle",
}
LONGEST_PATH = 80  # characters of a path that a message shows


class CommandGroup(click.Group):
    """Commands imported on first use, and the one place where errors become messages."""

    def __init__(
        self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any
    ) -> None:
        """A group of the commands `lazy`: name -> ("module:attribute", one line of help)."""
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    def main(self, args: Sequence[str] | None = None, *rest: Any, **kwargs: Any) -> Any:
        """Run a command line; that of the process ends at once when it is interrupted."""
        if args is not None:
            return super().main(args, *rest, **kwargs)
        interrupts.watch()
        try:
            return super().main(args, *rest, **kwargs)
        except SystemExit as e:
            if e.code == interrupts.ENDED or interrupts.was_interrupted():
                interrupts.end()
            raise

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read what stands before the command; what is mistyped there is one message, too."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as e:
            raise mistyped(e) from e
        except KeyboardInterrupt:
            raise stop("Interrupted.", interrupts.ENDED) from None
        except OSError as e:
            end_if_refused(e)
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of their declaration."""
        return [*self.lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from their one line of help, importing none of them."""
        rows = [(name, text) for name, (_, text) in self.lazy.items()]
        rows += [(name, each.get_short_help_str()) for name, each in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; where there is none of that name, say which one is near."""
        names = self.list_commands(ctx)
        for before, text in pairwise(map(str, args)):  # options come after the command
            if not text.strip() or re.fullmatch("--[a-z-]+=", text):
                option = before if before.startswith("-") else "an argument"
                name = text.strip().rstrip("=") or option
                raise ConfigError(f"{name} has no value; nothing was done")
        if args[0] not in names and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
            raise click.UsageError(f"no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error it raises on purpose becomes one message and an exit code."""
        warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
        try:
            result = super().invoke(ctx)
        except XbarError as e:
            raise stop(f"Error: {e}", e.exit_code) from e
        except click.UsageError as e:
            raise mistyped(e) from e
        except KeyboardInterrupt:
            raise stop("Interrupted.", interrupts.ENDED) from None
        except (click.exceptions.Exit, click.Abort):  # said already
            raise
        except Exception as e:
            if interrupts.was_interrupted():  # a compiler that was stopped half way says anything
                raise stop("Interrupted.", interrupts.ENDED) from None
            end_if_refused(e)
            raise  # a closed pipe (`xbar ... | head`) is ended quietly by click
        if interrupts.was_interrupted():
            raise stop("Interrupted.", interrupts.ENDED)
        return result


def end_if_refused(error: Exception) -> None:
    """End the command with one message where the system refused something."""
    if (message := refusal_of_system(error)) is not None:
        raise stop(f"Error: {message}", XbarError.exit_code) from error


def mistyped(error: click.UsageError) -> click.ClickException | click.exceptions.Exit:
    """What is wrong with a command line, in one line with the cause first.

    Click itself puts two lines of usage above it. A command without arguments keeps its help.
    """
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    text = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, click.NoSuchOption):
        near = difflib.get_close_matches(error.option_name, error.possibilities or (), n=1)
        text = f"no option {error.option_name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    where = f"; {error.ctx.command_path} --help says more" if error.ctx else ""
    nothing = "" if says_consequence(text) else f"{where}; nothing was done"
    return stop(f"Error: {text[:1].lower()}{text[1:]}{nothing}", XbarError.exit_code)


def refusal_of_system(error: Exception) -> str | None:
    """What the system refused, in one line; None where it is not that."""
    # Torch has no error of its own for memory that is not there.
    is_torch = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    if isinstance(error, MemoryError) or is_torch:
        return out_of_memory(error)
    if not isinstance(error, OSError) or error.errno not in REFUSED:
        return None
    path = str(error.filename or "")
    path = path if len(path) <= LONGEST_PATH else f"{path[:LONGEST_PATH]}..."
    where = f" ({path})" if path else ""
    return f"{REFUSED[error.errno]}{where}; nothing was lost before the last checkpoint"


def out_of_memory(error: Exception) -> str:
    """What was too large, in one line."""
    asked = re.search(r"[Uu]nable to allocate [\d.]+ \w+|allocate \d+ bytes", str(error))
    size = f" ({asked[0][0].lower() + asked[0][1:]})" if asked else ""
    return (
        f"not enough memory{size}: make the network, the batch or the tiles smaller, or raise the "
        "limit (ulimit -v); nothing was lost before the last checkpoint"
    )


def stop(message: str, exit_code: int) -> click.exceptions.Exit:
    """Print `message` on stderr; the exception to raise makes click exit with `exit_code`."""
    echo(message, err=True)
    return click.exceptions.Exit(exit_code)


@click.group(
    cls=CommandGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="xbar-hil", prog_name="xbar", message="%(prog)s %(version)s")
def main() -> None:
    """Train spiking networks on memristive crossbars, emulated or real.

    The trainer can read currents and send programming pulses, and nothing else. Every command
    explains itself: xbar COMMAND --help.

    \b
    Examples:
      xbar devices                                     list the device models
      xbar data                                        list the data sets
      xbar train --device oxram.yaml                   train a network on emulated oxide RRAM
      xbar train --device oxram.yaml --ei 80:20        with 80 % excitatory neurons
      xbar sweep study.yaml                            many trainings, and a page of them
      xbar fit pulses.csv reads.csv -o my_oxram.yaml   a device file from measurements
      xbar analyze --rows 128 --columns 128 --wires 2  what the wires of a tile take
      xbar program RUN --device oxram.yaml             write a trained network into chips
      xbar export RUN -o graph.nir                     a trained network for other frameworks
      xbar estimate RUN --chip proposal_28nm           energy, time and area of a chip
      xbar serve --device oxram.yaml --port 5025       an emulated board for lab scripts
      xbar serve --device oxram.yaml --panel           the same, with a page that shows its cells
      xbar characterize --board simulated -o measured  measure a board for xbar fit
      xbar doctor                                      whether all is well on this machine
    """
