"""Commands that a test runs in its own process, on a network that is trained in a second."""

from click.testing import CliRunner

from cli.main import main

SMALL = """\
batch_size: 64
optimizer: {kind: adam, learning_rate: 2e-3}
data: {steps: 60}
network:
  layers:
  - {kind: dense, neurons: 20, ei: 80:20, sigma_init: 0.02}
  - {kind: dense, neurons: 10, neuron: leaky_integrator}
"""


def command(name, *args):
    """How a command ended; what it raised, unless it ended by itself."""
    result = CliRunner().invoke(main, [name, *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def small_run(folder, *args):
    """The folder of a run of one epoch on `SMALL`."""
    (folder / "small.yaml").write_text(SMALL, "utf-8")
    ended = command("train", "--config", folder / "small.yaml", "--epochs", 1,
                    "--out", folder / "run", "--no-figures", *args)  # fmt: skip
    assert ended.exit_code == 0, ended.stderr
    return folder / "run"
