"""What a file of ours holds: a sweep, or a fitted network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxreg.errors import UserError
from jaxreg.spec import load as sweeps

AGREE = 1e-3  # of what is predicted: other versions and machines round otherwise, another network is far from it


def load(
    file: str | Path | None = None,
    flags: Mapping[str, Any] | None = None,
    mark: str = "",
    usual: Mapping[str, Any] | None = None,
    *,
    network: Any = None,
) -> Any:
    """A fitted network of a .safetensors file, or the sweep of a sweep file or of flags.

    Args:
        file: what `Fitted.save` or an estimator's `save` has written, of which it gives back the like; or a
            sweep file.
        flags, mark, usual: of a sweep, as in `jaxreg.spec.load.load`.
        network: where the file holds the weights of a network of one's own, that network; by default what Python
            imports under the name in the file.

    Raises:
        UserError: the file is not there, is damaged or another's; or the network is another one by now.
    """
    if file is None or Path(file).suffix != ".safetensors":
        if network is not None:
            raise UserError("network: goes with a .safetensors file, which holds its weights.")
        return sweeps.load(file, flags, mark, usual)
    from jaxreg import saved
    from jaxreg.fitted import Fitted

    path = Path(file)
    content = saved.read(path, network)
    made = Fitted(*content.parts)
    found, expected = made.probe.predicted, content.probe.predicted
    unit = 1.0 if made.quantities is None else min(made.quantities.spreads)
    if found.shape != expected.shape or not (abs(found - expected) <= AGREE * (unit + abs(expected))).all():
        raise UserError(f"{path}: predicts otherwise here than where it was saved, as another network would.")
    if content.estimator is None:
        return made
    from jaxreg.estimators import RegularizedMLPClassifier, RegularizedMLPRegressor
    from jaxreg.saved_estimators import restored

    return restored([RegularizedMLPClassifier, RegularizedMLPRegressor], made, content.estimator, content.arrays, path)
