"""The default sweep as a Keras script would train it: one model after another, each built and compiled anew."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def script(models: int, steps: int) -> None:
    """Trains a few models for two epochs each, validated on as many images as a sweep; prints each epoch's seconds."""
    import numpy as np

    from jaxreg.bench import job
    from jaxreg.bench.peers import keras_model
    from jaxreg.data import fashion
    from jaxreg.spec.sweep import Sweep

    data = job.load(steps)
    dataset, curve = fashion.load(), Sweep.model_fields["curve_images"].default
    test = dataset.test.inputs[:curve].astype(np.float32) / 255, dataset.test.targets[:curve].astype(np.int32)
    seconds = []
    for _ in range(models):
        started = time.perf_counter()
        model = keras_model()
        for _ in range(2):
            model.fit(data.images, data.labels, batch_size=job.BATCH, epochs=1, verbose=0, validation_data=test)
            seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
    print(json.dumps(seconds))


def extrapolate(members: int, epochs: int, steps: int, models: int = 3) -> dict[str, Any]:
    """Seconds that a Keras script (JAX backend) would take for a whole sweep, from a few models of two epochs."""
    package = str(Path(__file__).resolve().parents[2])
    environment = dict(os.environ) | {"KERAS_BACKEND": "jax"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, environment.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(models), str(steps)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    seconds = json.loads(done.stdout.splitlines()[-1])
    first, later = statistics.median(seconds[::2]), statistics.median(seconds[1::2])
    return {
        "measured_models": models,
        "first_epoch": first,
        "later_epoch": later,
        "seconds": members * (first + (epochs - 1) * later),
    }


if __name__ == "__main__":
    script(int(sys.argv[1]), int(sys.argv[2]))
