"""A command that ends in every way a command can end."""

import errno

import click

from device_models.errors import ConfigError, HardwareError

ENDINGS = {
    "config": lambda: ConfigError("tile.yaml:3:3: rows = 0 is outside [1, 1024]; nothing was run"),
    "hardware": lambda: HardwareError("no board at 127.0.0.1:5025; nothing was sent"),
    "two": lambda: ConfigError("a.yaml:1:1: one\na.yaml:2:1: two"),
    "interrupt": KeyboardInterrupt,
    "full": lambda: OSError(errno.ENOSPC, "No space left on device", "runs/a/checkpoint.npz"),
    "quota": lambda: OSError(errno.EDQUOT, "Disk quota exceeded"),
    "pipe": lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "denied": lambda: PermissionError(errno.EACCES, "Permission denied", "x"),
    "memory": lambda: MemoryError(
        "Unable to allocate 2.98 GiB for an array with shape (20000, 20000) and data type float64"
    ),
    "allocator": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 125440000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "bare memory": MemoryError,
    "bug": lambda: ZeroDivisionError("division by zero"),
}


@click.command()
@click.argument("ending", default="well")
def dummy(ending):
    """Say a line, then end as told."""
    click.echo("before")
    if ending in ENDINGS:
        raise ENDINGS[ending]()


@click.command()
def talk():
    """Print more than a pipe holds."""
    for i in range(100_000):
        click.echo(f"line {i}")
