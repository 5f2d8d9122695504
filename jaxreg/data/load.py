"""The data that a sweep names, or Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg import reading
from jaxreg.data import fashion, idx_folder, kaggle, not_there
from jaxreg.data.dataset import AS_IT_SAYS, Dataset, Reading, Signature
from jaxreg.errors import UserError

DIGEST = fashion.DIGEST
"""Of the data where none are named."""
NPZ = (("x", "y", "x_test", "y_test"), ("x_train", "y_train", "x_test", "y_test"))


def load(
    data: str | None,
    test: str | None,
    announce: Callable[[str], None] | None = None,
    how: Reading = AS_IT_SAYS,
    watch: Callable[[str, float], None] | None = None,
) -> Dataset:
    """Everything, checked: a table, arrays, a pair of CSV files of images, a folder, or else Fashion-MNIST.

    Args:
        data: a sweep's `data`: a table as .csv or .parquet, arrays as .npz (`x`, `y`; `x_test`, `y_test` too, or as
            Keras's data sets call them), the training images as CSV in Kaggle's layout, or a folder of IDX files.
        test: the test table or images, where `data` is a table.
        announce: called with one line before something slow.
        how: which column is what.
        watch: called while a table is read, with one line and the share that is.

    Raises:
        UserError: what is named can't be used.
    """
    if data is None:
        if test is not None:
            raise UserError("--test: goes with --data, the table to train on.")
        return fashion.load(announce)
    for one in (data, *([] if test is None else [test])):
        not_there.refuse_address(one)
    if kaggle.has_layout(data) and test is not None:
        return kaggle.load(data, test)
    path = Path(data)
    if path.suffix == ".npz":
        return _arrays(path, how)
    from jaxreg.data import foreign_files, table, table_files  # pandas

    foreign_files.refuse(path)
    if not path.name.endswith(table_files.SUFFIXES):
        of_tables = how._replace(seed=0, folds=None) != AS_IT_SAYS
        if (test is not None or of_tables) and not path.is_dir() and not path.is_file():
            raise not_there.absent(path, "a table as .csv or .parquet")
        if test is not None:
            raise UserError(
                f"{path}: a test table goes with a table, {', '.join(table_files.SUFFIXES)}, or leave --test out."
            )
        if of_tables:
            inside = not_there.tables_in(path, table_files.SUFFIXES)
            raise UserError(
                f"{path}: --label, --task, --group, --drop and --holdout are of tables, and this is "
                f"{f'a folder of such. Give one of them: --data {inside}' if inside else 'none'}."
            )
        return idx_folder.load(path)
    name = path.name if test is None else f"{path.name} and {Path(test).name}"
    tables = [None if one is None else table_files.read(Path(one), watch) for one in (path, test)]
    assert tables[0] is not None
    return table.dataset(tables[0], tables[1], how, name)


def signature(data: str | None, test: str | None, how: Reading = AS_IT_SAYS) -> Signature:
    """Shapes and counts, for a plan: read from what is named; Fashion-MNIST's are known without a download."""
    return fashion.SIGNATURE if data is None and test is None else load(data, test, how=how).signature


def _numbers_or_texts(found: Any, name: str, path: Path) -> np.ndarray:
    """One array of an .npz file, where it has numbers or texts."""
    try:
        return found[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        kind = "str" if name.startswith("y") else "float"
        raise UserError(
            f"{path}: array {name} is of Python objects, as pandas keeps texts; expected numbers or texts of NumPy. "
            f"Save it as {name}.astype({kind})."
        ) from None


def _arrays(path: Path, how: Reading) -> Dataset:
    from jaxreg.data import in_memory

    try:
        with reading.opened(path) as file, np.load(file, allow_pickle=False) as found:
            names = next((names for names in NPZ if set(names[:2]) <= set(found.files)), None)
            if names is None:
                raise UserError(
                    f"{path} has the arrays {', '.join(found.files)}; expected {' or '.join(map(str, NPZ))}."
                )
            arrays = tuple(_numbers_or_texts(found, name, path) for name in names if name in found.files)
    except FileNotFoundError:
        raise not_there.absent(path, "arrays as .npz") from None
    except (OSError, ValueError, EOFError) as error:
        said = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"{path} can't be read as .npz: {said}.") from None
    return in_memory.of_arrays(arrays, how, path.name)
