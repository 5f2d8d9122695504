"""How fast the engine is on this machine, next to what a user would take instead.

python -m jaxreg.bench                    everything, twenty minutes or so on a quiet machine
python -m jaxreg.bench --only peers       the comparison alone
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jaxreg import interrupts
from jaxreg.engine.devices import configure
from jaxreg.errors import exit_code
from jaxreg.flags import Parser

PROG = "python -m jaxreg.bench"
SECTIONS = {
    "peers": "member-steps a second next to JAX, Keras and PyTorch, and the machine's limit",
    "phases": "where the time of a sweep goes, and the whole job next to a Keras script",
    "start": "seconds until the first epoch runs, compile cache empty and warm",
    "growth": "seconds and memory for more members and more devices",
    "tables": "a sweep on tables next to scikit-learn's GridSearchCV of its MLPClassifier",
    "blocks": "members side by side on a device, for several networks",
    "store": "folders of many members: bytes, and what analysis and report take; nobody is trained",
    "accelerators": "what the compilers of TPUs and GPUs make of the engine, without any",
}


def main(argv: Sequence[str] | None = None, prog: str = PROG) -> int:
    """The command, which was typed as `prog`: 0 done, 2 wrong input, 130 interrupted."""
    given = list(sys.argv[1:] if argv is None else argv)

    def command() -> None:
        options = parser(prog).read(given)
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of the peers' own imports
        bench(options, shlex.join([*prog.split(), *given]))

    return exit_code(command)


def bench(options: argparse.Namespace, command: str) -> None:
    """Measures what the options name; writes bench.json and bench.md after every section."""
    from jaxreg import files
    from jaxreg.bench import accelerators, blocks, phases, rounds, store, tables, whole_job

    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    earlier = json.loads((out / "bench.json").read_text(encoding="utf-8")) if (out / "bench.json").exists() else {}
    result: dict[str, Any] = {"about": _about(), "commands": {}}
    # Sections of an earlier call on this very machine and these versions stand; others would be compared unfairly.
    # What is only compiled is of no machine, and says itself of which versions it is.
    same = all(
        earlier.get("about", {}).get(key) == result["about"][key] for key in ("device", "devices", "cores", "versions")
    )
    if same:
        result |= earlier | {"about": result["about"]}
    elif options.only == ["accelerators"]:
        result |= earlier
    elif "accelerators" in earlier:
        result["accelerators"] = earlier["accelerators"]
    on_cpu = result["about"]["platform"] == "cpu"
    flags = {"grid": options.grid} | ({"epochs": options.epochs} if options.epochs else {})

    def peers() -> None:
        python = dict(text.split("=", 1) for text in options.python)
        result["peers"] = rounds.compare(options.rounds, options.steps, python, options.peers, _say, on_cpu)

    def where() -> None:
        from jaxreg.spec.load import load
        from jaxreg.spec.members import members

        alone = flags | {"second_stage": 0}  # which the Keras script has not
        sweep = load(flags=alone)
        result["phases"] = phases.shares(alone) | {"grid": options.grid}
        recipe = sweep.recipe
        steps = 60_000 // sweep.splits // recipe.batch_size
        keras = whole_job.extrapolate(len(members(sweep)), recipe.epochs, steps)
        result["job"] = {"grid": options.grid, "sweep": result["phases"]["run"], "keras": keras}

    def start() -> None:
        result["start"] = phases.starts(flags, max(2, options.rounds // 2))

    def growth() -> None:
        count = result["about"]["devices"]
        devices = [n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n < count] + [count]
        sizes = [options.members * factor for factor in (1, 2, 4, 8)]
        result["growth"] = phases.growth(sizes, devices, options.epochs or 5)

    def compiled() -> None:
        result["accelerators"] = accelerators.measure(options.targets, result.get("accelerators", {}), command, _say)

    def folders() -> None:
        result["store"] = store.measure()

    def of_tables() -> None:
        result["tables"] = tables.measure(max(2, options.rounds // 2), _say)

    def side_by_side() -> None:
        if on_cpu:
            result["blocks"] = blocks.measure(blocks.NETWORKS, blocks.CPU_BLOCKS, options.rounds, options.steps)
        else:
            result["accelerator"] = blocks.accelerator(options.rounds, options.steps)

    does: dict[str, Callable[[], None]] = {
        "peers": peers, "phases": where, "start": start, "growth": growth, "blocks": side_by_side,
        "store": folders, "accelerators": compiled, "tables": of_tables,
    }  # fmt: skip
    for section in options.only:
        _say(f"{section}: {SECTIONS[section]}")
        does[section]()
        if section != "accelerators":  # of which each target has its own
            result["commands"][section] = command
        files.write_text(out / "bench.json", json.dumps(result, indent=1) + "\n")
        files.write_text(out / "bench.md", _markdown(result))
    print(_markdown(result))


def _markdown(result: dict[str, Any]) -> str:
    from jaxreg.bench import table

    return table.write(result)


def _about() -> dict[str, Any]:
    configure()
    from jaxreg.engine import devices

    packages = {}
    for name in ("jaxreg", "jax", "jaxlib", "flax", "optax", "numpy", "keras", "torch", "scikit-learn"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    packages["python"] = sys.version.split()[0]
    facts = devices.describe(devices.member_mesh())
    return {
        **facts,
        "versions": packages,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"unknown {name!r}; there are: {', '.join(known)}")
        return names

    return parse


def parser(prog: str = PROG) -> Parser:
    """The command's flags."""
    from jaxreg.bench.accelerators import TARGETS
    from jaxreg.bench.peers import PEERS

    made = Parser(prog=prog, description=__doc__)
    sections = "\n".join(f"{name}: {what}" for name, what in SECTIONS.items())
    add = made.add_argument
    add("--only", type=_names(list(SECTIONS)), default=list(SECTIONS), metavar="SECTIONS", help=sections)
    add(
        "--peers",
        type=_names(list(PEERS)),
        default=list(PEERS),
        metavar="NAMES",
        help=f"of {', '.join(PEERS)}",
    )
    add(
        "--targets",
        type=_names(list(TARGETS)),
        default=list(TARGETS),
        metavar="NAMES",
        help=f"what accelerators compiles for: {', '.join(TARGETS)}",
    )
    add("--rounds", type=int, default=7, help="how often everyone has a turn (7)")
    add("--steps", type=int, default=375, help="batches a round (375: an epoch of a fifth of the images)")
    add("--grid", default="l1,l2", help="the sweep of the whole job (l1,l2)")
    add("--epochs", type=int, help="of the sweep and of the growth, instead of 15 and 5")
    add("--members", type=int, default=8, help="growth: M of M, 2M, 4M, 8M members (8)")
    add(
        "--python",
        action="append",
        default=[],
        metavar="PEER=PATH",
        help="an interpreter of its own for a peer",
    )
    add("--out", type=Path, default=Path("reports/bench"), metavar="DIR", help="the folder to write (reports/bench)")
    return made


if __name__ == "__main__":
    interrupts.leave(main())
