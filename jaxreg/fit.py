"""Train what a run recommends on all of its data, and keep it: `python -m jaxreg.fit reports/l1-l2 --save FILE`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jaxreg import interrupts
from jaxreg.errors import UserError, exit_code, printed
from jaxreg.flags import Parser
from jaxreg.formatting import count
from jaxreg.spec.limits import MOST_DEVICES
from jaxreg.spec.typed import counted

PROG = "python -m jaxreg.fit"
DESCRIPTION = """\
Train the setting that a run recommends on all of its data, from several seeds,
and write the networks to a file. What they predict is averaged. Rows that were
held out to score are trained on too; a test part that was given is not.
"""
USUAL, MOST = 5, 1000  # networks
FORMATS = {"save": (".safetensors",), "export": (".keras", ".npz")}


def parser(prog: str = PROG) -> Parser:
    """The command's flags."""
    made = Parser(prog=prog, description=DESCRIPTION)
    made.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="the folder of a run, such as reports/l1-l2")
    made.add_argument("--save", type=Path, metavar="PATH", help="for jaxreg.load: FILE.safetensors")
    made.add_argument("--export", type=Path, metavar="PATH", help="for others: FILE.keras or FILE.npz")
    made.add_argument("--cell", metavar="NAME", help="another cell than the recommended one, such as l1=1e-4")
    made.add_argument("--ensemble", metavar="N", help=f"networks, from so many seeds (default {USUAL})")
    made.add_argument("--network", metavar="NAME", help="package.module:name, where Python finds your network by now")
    made.add_argument("--devices", metavar="N", help="devices to use (default: all; on a CPU one per core)")
    made.add_argument("--quiet", action="store_true", help="no progress, only warnings and the result")
    return made


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """The command, which was typed as `prog`: 0 done, 1 the machine failed, 2 wrong input, 130 interrupted."""
    return exit_code(lambda: _command(arguments, prog), "interrupted: nothing was written.")


def _command(arguments: Sequence[str] | None, prog: str) -> None:
    given = parser(prog).read(arguments)
    if given.folder is None:
        raise UserError("give the folder of a run, such as reports/l1-l2.")
    targets = {name: getattr(given, name) for name in FORMATS if getattr(given, name) is not None}
    if not targets:
        raise UserError("say where it goes: --save FILE.safetensors, --export FILE.keras, or both.")
    for name, path in targets.items():  # before minutes of training, as all that can be known
        if path.suffix not in FORMATS[name]:
            raise UserError(f"--{name}: {path} must end in {' or '.join(FORMATS[name])}.")
        if not path.absolute().parent.is_dir():
            raise UserError(f"--{name}: there is no folder {path.parent}.")
    ensemble, devices = counted("ensemble", given.ensemble, MOST), counted("devices", given.devices, MOST_DEVICES)
    from jaxreg.finished import Run

    run = Run(given.folder)
    cell = given.cell or run.best
    from jaxreg.engine.devices import configure

    configure(devices)  # before anything starts JAX
    if given.export is not None:
        from jaxreg.exports import network_files

        network_files.check(given.export, run.cell(cell).settings)
    from jaxreg.engine.progress import suited

    network = None
    if given.network is not None:
        from jaxreg.engine.own_networks import named

        network = named(given.network)
    shown = suited(sys.stderr, given.quiet)
    try:
        fitted = run.fit(ensemble or USUAL, cell, progress=shown, network=network)
    finally:
        shown.close()
    for name, path in targets.items():
        getattr(fitted, name)(path)
    networks, about = count(len(fitted.members), "network"), fitted.about
    trained = f"{about['trained_on']:,} {about['data'].get('examples_are', 'examples')}"
    trained += f" and {about['watched']:,} watched by early stopping" if about["watched"] else ""
    printed(f"{fitted.cell.name}, {networks} trained on {trained}: wrote {' and '.join(map(str, targets.values()))}")
    if fitted.encoding is not None and given.export is not None:
        printed(f"{given.export} takes {', '.join(fitted.encoding.features)}, in this order")


if __name__ == "__main__":
    interrupts.leave(main())
