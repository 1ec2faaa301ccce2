"""The process that fits run in, from its own side: an entry point of the program, never imported by another module.

It reads one line of JSON per task from its input and responds in lines of JSON: progress, then how it ended. A job
folder holds task.json, which names two folders next to it that tasks share (values.npy, names.json, target.arrow). The
fitted model is written to model/ below the job folder, as the files that `Algorithm.dump` gives. Nothing is pickled.
A task that names a bundle instead checks whether it loads here and predicts as it did when it was stored.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import select
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mlops_assets.training.algorithms.base.import_blocker import block_imports

IDLE_SECONDS = 300
GRACE_SECONDS = 10


def main() -> None:
    """Run tasks until the input ends or none came for some minutes."""
    # Before any library reads them: threads that wait must sleep, or a crowded machine crawls.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.path[:] = json.loads(sys.argv[1])
    responses = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is not a response
    unread = b""
    while select.select([0], [], [], IDLE_SECONDS)[0]:
        piece = os.read(0, 65_536)
        if not piece:
            return
        *requests, unread = (unread + piece).split(b"\n")
        for task in requests:
            request = json.loads(task)
            if "warm" in request:
                _prefetch(request["warm"])
            else:
                _serve(request, responses)


def _serve(task: dict[str, Any], responses: IO[str]) -> None:
    done = threading.Event()
    threading.Thread(target=_leave_with_parent, args=(done,), daemon=True).start()
    # The kernel's own alarm ends a fit that hangs in native code even when nobody is left to kill it.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(max(1, math.ceil(task["seconds"]) + GRACE_SECONDS))
    try:
        with _limited_memory(task.get("memory_bytes")):
            message = _verify(task) if "bundle" in task else _fit(Path(task["folder"]), responses)
        response = {"status": "done", "message": message}
    except Exception as error:  # noqa: BLE001 - whatever a library raises is the result
        from mlops_assets.training.algorithms.base.errors import format_error

        response = {"status": "failed", "message": format_error(error)}
    finally:
        signal.alarm(0)
        done.set()
    responses.write(json.dumps(response) + "\n")


@contextlib.contextmanager
def _limited_memory(more: int | None) -> Iterator[None]:
    """Refuse this process more than so many bytes of address space beyond what it has now; None for no limit."""
    statm = Path("/proc/self/statm")
    if more is None or not statm.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(statm.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(
        resource.RLIMIT_AS, (size + more if hard == resource.RLIM_INFINITY else min(hard, size + more), hard)
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _prefetch(algorithm: str) -> None:
    from mlops_assets.training.algorithms import ALGORITHMS

    kind = ALGORITHMS[algorithm]
    with contextlib.suppress(ImportError), block_imports(kind.blocked_imports):
        kind.import_library()


def _fit(task_folder: Path, responses: IO[str]) -> str:
    import warnings

    import numpy as np
    import polars as pl

    from mlops_assets.artifacts import FeatureMatrix
    from mlops_assets.training.algorithms import ALGORITHMS
    from mlops_assets.training.algorithms.base.algorithm import Progress
    from mlops_assets.training.algorithms.base.errors import format_warnings

    task = json.loads((task_folder / "task.json").read_text())
    kind = ALGORITHMS[task["algorithm"]]

    def part(name: str) -> tuple[FeatureMatrix, pl.Series]:
        folder = task_folder.parent / name
        values = np.load(folder / "values.npy", mmap_mode="r", allow_pickle=False)
        names = tuple(json.loads((folder / "names.json").read_text()))
        return FeatureMatrix(names, np.asarray(values)), pl.read_ipc(folder / "target.arrow")["target"]

    def report(progress: Progress) -> None:
        values = {name: value for name, value in progress.values.items() if math.isfinite(value)}
        responses.write(json.dumps({"step": progress.step, "values": values}) + "\n")

    (train, y), (validation, y_validation) = part(task["train"]), part(task["validation"])
    with block_imports(kind.blocked_imports):
        kind.import_library()
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        model = kind(task["problem"], task["params"]).fit(
            train,
            y,
            validation=validation,
            y_validation=y_validation,
            seed=task["seed"],
            threads=task["threads"],
            target_transform=task["target_transform"],
            on_progress=report,
        )
    folder = task_folder / "model"
    folder.mkdir()
    for name, body in model.dump().items():
        (folder / name).write_bytes(body)
    return format_warnings(raised)


def _verify(task: dict[str, Any]) -> str:
    from mlops_assets.training.algorithms import ALGORITHMS
    from mlops_assets.training.bundles.load import Fit, LoadedBundle, load_bundle

    kind = ALGORITHMS[task["algorithm"]]
    with block_imports(kind.blocked_imports):
        kind.import_library()

    def load(fit: Fit) -> LoadedBundle:
        return load_bundle(
            Path(task["bundle"]),
            expected_manifest_sha256=task["manifest_sha256"],
            may_unpickle=lambda estimator: (
                "" if estimator in task["pickled"] else "its model file does not allow it"
            ),
            fit=fit,
        )

    if load("served").has_judged_fit:
        load("judged")
    return ""


def _leave_with_parent(done: threading.Event) -> None:
    # While a job runs nothing is written to us: input that becomes readable has ended, and so has the parent process.
    while not done.is_set():
        if select.select([0], [], [], 0.5)[0] and not done.is_set():
            os._exit(1)


if __name__ == "__main__":
    main()
