"""Where the trials of a study run: processes of this machine, or workers of a Dask scheduler."""

import importlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from device_models.errors import ConfigError, XbarError
from device_models.record import Record, quantity
from device_models.schema import load

if TYPE_CHECKING:
    from distributed import Client

ANSWER_SECONDS = 10.0  # in which a scheduler answers
WORKER_BYTES = 2 << 30  # that a training may take: data, encoded, and the passes
PARENT = "XBAR_STUDY_PROCESS"  # variable of local workers: who started them
LOOK_SECONDS = 1.0
SYSTEMS = {  # of dask-jobqueue: its classes are these and "Cluster"
    "slurm": "SLURM", "pbs": "PBS", "lsf": "LSF", "sge": "SGE", "oar": "OAR",
    "htcondor": "HTCondor",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Jobs(Record):
    """Workers that a batch system starts, see dask-jobqueue.

    Attributes:
        system: Which.
        jobs: How many.
        cores: Of each, one worker a core.
        memory: Of each, as "8GB".
        queue, account, walltime: As the system knows them; None: its defaults.
        directives: More lines for the head of the job script, without their prefix.
        prologue: Lines of the job script before the workers start, such as `module load python`.
    """

    system: Literal["slurm", "pbs", "lsf", "sge", "oar", "htcondor"]
    jobs: int = quantity("jobs", 1, 10_000)
    cores: int = quantity("cores", 1, 1024, default=1)
    memory: str = "4GB"
    queue: str | None = None
    account: str | None = None
    walltime: str | None = None
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()


@contextmanager
def cluster(
    *, workers: int | None = None, scheduler: str | None = None, jobs: Path | None = None
) -> Iterator["Client"]:
    """A Dask client: of a scheduler, of jobs of a batch system, or of processes of this machine.

    Args:
        workers: Processes, each with one thread; by default one per processor that has memory.
        scheduler: `tcp://HOST:PORT` of one that runs already.
        jobs: A YAML file of `Jobs`.

    Raises:
        ConfigError: More than one of them is given, or the file is wrong.
        XbarError: The scheduler does not answer.
    """
    import dask
    from distributed import Client

    if sum(given is not None for given in (workers, scheduler, jobs)) > 1:
        raise ConfigError("workers, a scheduler and jobs exclude each other; nothing was started")
    connected: Any = Client
    with dask.config.set({"distributed.admin.log-format": "%(message)s"}):
        if scheduler is not None:
            try:
                client = connected(scheduler, timeout=ANSWER_SECONDS, set_as_default=False)
            except (OSError, TimeoutError, ValueError) as e:
                raise XbarError(
                    f"no Dask scheduler answers at {scheduler} within {ANSWER_SECONDS:g} s "
                    f"({type(e).__name__}); nothing was started"
                ) from e
            with client:
                yield client
            return
        with (
            _processes(workers) if jobs is None else _jobs(jobs) as started,
            connected(started, set_as_default=False) as client,
        ):
            yield client


def _processes(workers: int | None) -> Any:
    """The cluster of this machine: one thread a process, fewer of them where memory is short.

    Raises:
        XbarError: It cannot be started.
    """
    from distributed import LocalCluster, system

    limits: Any = system  # of this process, containers counted
    count = workers or max(1, min(limits.CPU_COUNT, int(limits.MEMORY_LIMIT // WORKER_BYTES)))
    kind: Any = LocalCluster
    try:
        return kind(
            n_workers=count, threads_per_worker=1, processes=True, silence_logs="CRITICAL",
            dashboard_address="127.0.0.1:0",  # any free port: several studies may run at once
            memory_limit="auto", env={PARENT: str(os.getpid()), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    except (OSError, RuntimeError) as e:
        raise XbarError(
            f"no processes for trials: {' '.join(str(e).split())}; nothing was started"
        ) from e


def _jobs(path: Path) -> Any:
    """The cluster of a file of `Jobs`, its jobs submitted.

    Raises:
        ConfigError: The file is wrong, or dask-jobqueue or the batch system is not here.
    """
    jobs = load(path, Jobs)
    try:
        kinds = importlib.import_module("dask_jobqueue")
    except ImportError as e:
        raise ConfigError(f"{path}: jobs need dask-jobqueue: pip install dask-jobqueue") from e
    try:
        started = getattr(kinds, f"{SYSTEMS[jobs.system]}Cluster")(
            cores=jobs.cores, processes=jobs.cores, memory=jobs.memory, queue=jobs.queue,
            account=jobs.account, walltime=jobs.walltime, job_script_prologue=list(jobs.prologue),
            job_extra_directives=list(jobs.directives),
        )  # fmt: skip
        started.scale(jobs=jobs.jobs)
    except (OSError, RuntimeError, TypeError, ValueError) as e:
        raise ConfigError(f"{path}: {jobs.system}: {' '.join(str(e).split())}") from e
    return started


def end_with_parent(variables: Mapping[str, str] = os.environ) -> None:
    """End this worker when the process that started it is gone, however that ended.

    A worker whose client was killed would train on for nobody, and hold the folder of its run.
    """
    parent = variables.get(PARENT)
    if parent is None or not parent.isdigit() or int(parent) != os.getppid():
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end with parent").start()
