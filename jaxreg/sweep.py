"""Train a sweep and write its report: `python -m jaxreg.sweep --grid l1,l2`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jaxreg import __version__, interrupts
from jaxreg.axes import AXES, Axis
from jaxreg.cluster import flags as elsewhere
from jaxreg.errors import UserError, exit_code, printed
from jaxreg.flags import WHAT_COUNTS, Joined, Parser
from jaxreg.formatting import brief, value_text
from jaxreg.spec.limits import MOST_BLOCK, MOST_DEVICES
from jaxreg.spec.second_stage import USUAL_LOOKS, USUAL_SEEDS
from jaxreg.spec.settings import Settings
from jaxreg.spec.typed import budget, counted, gain, token, tokens, widths, with_negatives

PROG = "python -m jaxreg.sweep"
DESCRIPTION = """\
Train every strength of regularisation at once and write a report: which to use,
and what it buys in bias and variance. Give a sweep file, or the axes to sweep.
"""
EPILOG = """\
examples:
  {prog} --grid l1,l2                      which L1, which L2: a line of strengths each
  {prog} --grid 'l1*l2' --l1 0,1e-5,1e-4   every pair, these strengths of L1
  {prog} --grid 'l1*train_examples=1000,3000,all'
                                           how the best L1 moves with the number of examples
  {prog} sweeps/quick.toml --dry-run       what it would train and how long that takes

A run that was stopped goes on where it was when the same command is given again.
exit codes: 0 done; 1 the machine failed, or a replay came out otherwise; 2 wrong input; 130 interrupted.
"""
COUNTS = {
    "splits": "disjoint parts of the training set, or folds (default 5)",
    "deals": "times that the same images are dealt into so many parts, each time anew (default 1; of folds 2)",
    "seeds": "seeds on each of them (default 1)",
    "full_seeds": "seeds of every cell on the whole training set besides (default 0)",
    "second_stage": f"seeds on the whole training set of what the parts speak for (default {USUAL_SEEDS} with --grid)",
    "seed": "of the splits, the initial weights and the batch order (default 0)",
}
DESIGNS = "disjoint parts, folds (cross-validation), or holdout: all training rows (default: folds where rows are few)"
LOOKS = "looks at most until it is settled, with a further deal of what is open before each but the first (0: one)"
RECIPE = {
    "epochs": ("N", "passes over the training examples of a split"),
    "hidden": ("LIST", "widths of the hidden layers"),
    "biases": ("SWITCH", "whether layers have biases"),
    "optimizer": ("NAME", "adam, sgd (a sweep file gives it a momentum), or MODULE:NAME"),
    "schedule": ("NAME", "of the learning rate: constant or cosine; a sweep file has steps too"),
    "penalised": ("KERNELS", "hidden or all: what penalties, decay and max_norm act on"),
    "loss": ("NAME", "cross_entropy, or squared error of the softmax"),
    "precision": ("NAME", "factors of products in training, on TPUs and GPUs; CPUs and scores are in float32"),
}

MOST_OF = {"block": MOST_BLOCK, "devices": MOST_DEVICES}
ALONE = "--replay: takes a folder alone, which says what the sweep was: --replay MEMBER --out DIR."


def main(argv: Sequence[str] | None = None, prog: str = PROG) -> int:
    """Runs the command, which was typed as `prog`; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        parser(prog).print_help()
        return 0
    return exit_code(
        lambda: _command(arguments, prog), "interrupted before training began. The same command starts again."
    )


def _command(arguments: list[str], prog: str) -> int:
    given = vars(parser(prog).read(with_negatives(arguments)))
    block, devices = (counted(name, given.pop(name), most) for name, most in MOST_OF.items())
    file, out, dry, like, quiet = (given.pop(name) for name in ("file", "out", "dry_run", "like", "quiet"))
    keep_state, with_predictions, member = (given.pop(name) for name in ("keep_state", "predictions", "replay"))
    purpose, least, longest = given.pop("for"), gain(given.pop("difference")), budget(given.pop("budget"))
    scheduler, where = elsewhere.taken(given)
    on: Any = scheduler
    flags = {name: _value(name, text) for name, text in given.items() if text is not None}
    if member is not None:
        if on is not None or where is not None:
            raise UserError("--replay: trains one member in this process. Leave --on and --distributed out.")
        return _replay(member, out if file is None and not flags else None, block, devices, dry)
    if like is not None and not dry:
        raise UserError("--like: goes with --dry-run, which says what the sweep could detect.")
    with ExitStack() as held:
        if where is not None and not dry:
            from jaxreg.cluster.together import joined

            on = held.enter_context(joined(where, devices))
        from jaxreg.engine.progress import suited
        from jaxreg.source import dataset_of, sweep_and_data

        shown = suited(sys.stderr, quiet)
        held.callback(shown.close)
        sweep, dataset = sweep_and_data(file, flags, "--", progress=shown)

        from jaxreg.engine.devices import configure

        if on is None:
            configure(devices)  # before anything starts JAX
        elif where is None:
            os.environ.setdefault("JAX_PLATFORMS", "cpu")  # accelerators are the workers'
        if dry:
            from jaxreg.dry_run import dry_run

            return dry_run(sweep, like, dataset)
        folder = Path("reports", sweep.name) if out is None else Path(out)

        dataset = dataset or dataset_of(sweep, shown)

        from jaxreg.run import run

        typed = shlex.join([*prog.split(), *arguments])
        result = run(
            sweep,
            out=folder,
            dataset=dataset,
            block=block,
            devices=devices,
            on=on,
            progress=shown,
            command=typed,
            keep_state=keep_state,
            with_predictions=with_predictions,
            purpose=purpose,
            difference=least,
            budget=longest,
        )
        from jaxreg.report.page import headline

        fit = "python -m jaxreg.fit" if prog == PROG else f"{prog.removesuffix(' sweep')} fit"
        fit += f" {shlex.quote(str(folder))} --save networks.safetensors"
        wrote = f"wrote {folder / 'report.md'} and report.html"
        printed(f"{headline(result.folder)}\n{wrote}; to train what it says and keep it: {fit}")
    return 0


def _replay(member: str, out: str | None, block: int | None, devices: int | None, dry: bool) -> int:
    """Trains one member of a folder alone: 0 where it comes out as it is there, 1 where it does not."""
    if out is None:
        raise UserError(ALONE)
    if dry:
        printed(f"would train the member {brief(member)[1:-1]} of {out} again, alone, and compare; writes nothing")
        return 0
    from jaxreg.engine.devices import configure

    configure(devices)
    from jaxreg.replay import replay

    replayed = replay(Path(out), member, block, devices)
    printed(replayed.text)
    return 0 if replayed.same else 1


def parser(prog: str = PROG) -> Parser:
    """The command's flags."""
    made = Parser(
        prog=prog,
        usage=f"{prog} [FILE] [--grid AXES] [flags]",
        description=DESCRIPTION,
        epilog=EPILOG.format(prog=prog),
    )
    made.add_argument("file", nargs="?", metavar="FILE", help="a sweep file; flags beside it override it")
    made.add_argument("--grid", metavar="AXES", help="axes to sweep: l1,l2 one at a time, 'l1*l2' all pairs; or both")
    axes = made.add_argument_group(
        "values of the axes, such as --l1 0,1e-5 (one: held there), or in the grid: l1=0,1e-5"
    )
    for name, axis in AXES.items():
        usual = f" (default {usual_values(axis)})" if axis.values else ""
        axes.add_argument(_flag(name), metavar="LIST", action=Joined, help=axis.help + usual)
    counts = made.add_argument_group("repetition")
    counts.add_argument(
        "--no-full", action="store_const", const="0", dest="second_stage", help="no second stage: --second-stage 0"
    )
    for name, meaning in COUNTS.items():
        counts.add_argument(_flag(name), metavar="N", help=meaning)
    counts.add_argument(
        "--settle",
        action="store_const",
        const=str(USUAL_LOOKS),
        dest="settle",
        help=f"go on until the recommendation is settled, with {USUAL_LOOKS} looks at most: --looks {USUAL_LOOKS}",
    )
    counts.add_argument("--looks", metavar="N", dest="settle", help=LOOKS)
    counts.add_argument("--difference", metavar="GAIN", help="with --settle: the smallest gain that is worth a run")
    counts.add_argument("--budget", metavar="TIME", help="with --settle: no further round after so long, such as 10m")
    recipe = made.add_argument_group("recipe")
    for name, (metavar, meaning) in RECIPE.items():
        usual = getattr(Settings(), name)
        text = ",".join(map(str, usual)) if isinstance(usual, tuple) else value_text(getattr(usual, "name", usual))
        recipe.add_argument(_flag(name), metavar=metavar, help=f"{meaning} (default {text})")
    files = made.add_argument_group("data and results")
    files.add_argument("--data", metavar="PATH", help="a table (.csv, .parquet), arrays (.npz), a folder of IDX files")
    files.add_argument("--test", metavar="PATH", help="the table that scores (default: a quarter of the rows)")
    files.add_argument("--label", metavar="COLUMN", help="what is to be predicted (default: label, target, class or y)")
    files.add_argument("--task", metavar="NAME", help="classification or regression (default: as the label looks)")
    files.add_argument("--group", metavar="COLUMN", help="rows with the same value stay on one side of every split")
    files.add_argument("--drop", metavar="COLUMNS", help="columns to leave out")
    files.add_argument("--holdout", metavar="SHARE", help="share of the rows that score, without --test (default 0.25)")
    files.add_argument("--design", metavar="NAME", help=DESIGNS)
    files.add_argument("--name", help="name of the run (default: from the file or the grid)")
    files.add_argument("--out", metavar="DIR", help="where results go (default reports/NAME)")
    files.add_argument(
        "--predictions", action="store_true", help="write predictions.npz however large (default: up to 256 MB)"
    )
    files.add_argument(
        "--keep-state", action="store_true", help="keep weights and optimizer, so that more epochs can go on from there"
    )
    files.add_argument("--for", choices=WHAT_COUNTS, help="what counts, which the report then answers alone")
    how = made.add_argument_group("how it runs")
    how.add_argument(
        "--dry-run", action="store_true", help="say what would be trained, how long, and what it could show"
    )
    how.add_argument("--like", metavar="DIR", help="with --dry-run: an earlier run to judge by")
    how.add_argument("--replay", metavar="MEMBER", help="with --out DIR: train that member of DIR alone, and compare")
    elsewhere.add(how)
    how.add_argument("--block", metavar="N", help="members side by side on a device (default: chosen)")
    how.add_argument("--devices", metavar="N", help="devices to use (default: all; on a CPU one per core)")
    how.add_argument("--quiet", action="store_true", help="no progress, only warnings and the result")
    how.add_argument("--version", action="version", version=f"jaxreg {__version__}")
    return made


def usual_values(axis: Axis) -> str:
    """The values that are swept where none are given, as they are typed."""
    return ",".join(map(value_text, axis.values))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _value(name: str, text: str) -> Any:
    """What was typed, as a sweep file would hold it. What makes no sense stays text."""
    if name in AXES or name in ("hidden", "drop"):
        return widths(text) if name == "hidden" else tokens(text)
    return token(text) if name in {**COUNTS, **RECIPE, "settle": "", "holdout": ""} else text


if __name__ == "__main__":
    interrupts.leave(main())
