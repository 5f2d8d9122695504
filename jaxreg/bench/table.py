"""The measurements as markdown."""

from __future__ import annotations

from typing import Any

from jaxreg.bench import tables
from jaxreg.bench.rounds import ranged as _range
from jaxreg.report.markdown import table as markdown


def write(bench: dict[str, Any]) -> str:
    """A section for each thing that was measured."""
    about = bench["about"]
    packages = dict(about["versions"])
    for peer in bench.get("peers", {}).get("peers", {}).values():
        packages |= peer.get("versions", {})  # of interpreters of their own
    versions = ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
    parts = [
        "# Speed",
        f"{about['device']}, {about['devices']} {about['platform']} device(s) on {about['cores']} core(s), "
        f"{about['date']}; {versions}. Network 784-225-256-128-10, batch 32, Adam, L1 and L2. "
        + _commands(bench["commands"]),
    ]
    for name, section in (
        ("peers", _peers),
        ("job", _job),
        ("tables", tables.section),
        ("phases", _phases),
        ("start", _start),
        ("growth", _growth),
        ("blocks", _blocks),
        ("store", _store),
        ("accelerator", _accelerator),
        ("accelerators", _accelerators),
    ):
        if name in bench:
            parts += section(bench[name])
    return "\n\n".join(part for part in parts if part) + "\n"


def _commands(commands: dict[str, str]) -> str:
    """What made all of it, or which part."""
    made: dict[str, list[str]] = {}
    for section, command in commands.items():
        made.setdefault(command, []).append(section)
    if not made:
        return ""
    if len(made) == 1:
        return f"Command: `{next(iter(made))}`."
    return "Commands: " + "; ".join(f"`{command}` ({', '.join(parts)})" for command, parts in made.items()) + "."


def _peers(peers: dict[str, Any]) -> list[str]:
    rows = [
        {
            "": row["title"],
            "member-steps a second": _range(row["rate"], 0),
            "ms a member-step": f"{1e3 / row['rate']['median']:.3f}",
            "jaxreg is faster by": "" if name == "engine" else _range(row["ratio"]) + " ×",
            "to prepare, s": f"{row['prepare_seconds']:.1f}",
        }
        for name, row in peers["peers"].items()
    ]
    absent = [f"- {name}: {why}" for name, why in peers["missing"].items()]
    return [
        "## Next to what a user would take instead",
        markdown(rows),
        f"Medians of {peers['rounds']} interleaved rounds of {peers['steps']} batches (a quarter of them where "
        "16 members go side by side), with the lowest and the highest; ratios are of rounds next to each other. "
        "To prepare: imports, data, compilation and the first epoch beyond an ordinary one.",
        "Not measured:\n\n" + "\n".join(absent) if absent else "",
        *([_limit(peers["limits"], peers["share_of_limit"])] if "limits" in peers else []),
    ]


def _limit(machine: dict[str, Any], share: dict[str, Any]) -> str:
    return (
        f"The machine's limit: {_range(machine['matmul'], 0, 1e-9)} GF/s in large products, "
        f"{_range(machine['copy'], 0, 1e-9)} GB/s in copies from memory and "
        f"{_range(machine['cached_copy'], 0, 1e-9)} in copies as large as a member's weights. A step's products at "
        "that rate, one after the other with Adam's seven streams of the weights at that bandwidth, are a limit of "
        f"which jaxreg reaches {_range(share['copy'], 0, 100.0)} % with copies from memory and "
        f"{_range(share['cached_copy'], 0, 100.0)} % with copies in cache."
    )


def _job(job: dict[str, Any]) -> list[str]:
    if "failed" in job["keras"]:
        return ["## The whole job", f"No Keras to compare with: {job['keras']['failed']}"]
    keras, sweep = job["keras"], job["sweep"]
    return [
        "## The whole job",
        f"The sweep `{job['grid']}`, {sweep['members']} members without a second stage, took {sweep['wall']:.0f} s "
        "from start to report, compilation included. A Keras script on the JAX backend that trains and evaluates one "
        "model after another "
        f"would take {keras['seconds'] / 60:.0f} minutes, {keras['seconds'] / sweep['wall']:.1f} times as long: "
        f"extrapolated from {keras['measured_models']} models of two epochs ({keras['first_epoch']:.1f} s for a "
        f"model's first epoch with its compilation, {keras['later_epoch']:.2f} s for a later one).",
    ]


def _phases(phases: dict[str, Any]) -> list[str]:
    rows = [{"phase": phase, "% of the wall time": f"{share:.1f}"} for phase, share in phases["percent"].items()]
    return [
        "## Where a sweep's time goes",
        markdown(rows),
        f"`{phases['grid']}`, {phases['run']['members']} members, {phases['run']['wall']:.0f} s, "
        f"compile cache empty. Everything but training: {phases['not_training']:.1f} %.",
    ]


def _start(start: dict[str, Any]) -> list[str]:
    return [
        "## Until the first epoch runs",
        f"{start['cold']:.1f} s at the first start of a sweep, {_range(start['warm'], 1)} s at later ones, "
        "whose programs are in the compile cache.",
    ]


def _growth(growth: dict[str, Any]) -> list[str]:
    def rows(runs: list[dict[str, Any]], first: str) -> str:
        table, before = [], None
        for run in runs:
            row = {
                first: str(run[first]),
                "members": str(run["members"]),
                "training and evaluating, s": f"{run['train_seconds']:.1f}",
                "wall, s": f"{run['wall']:.1f}",
                "peak memory, MB": f"{run['peak_bytes'] / 1e6:.0f}",
            }
            if before:
                row["times the row above"] = f"{run['train_seconds'] / before['train_seconds']:.2f}"
                row["memory, %"] = f"{100 * (run['peak_bytes'] / before['peak_bytes'] - 1):+.1f}"
            table.append(row)
            before = run
        return markdown(table)

    return [
        "## More members, more devices",
        rows(growth["members"], "members"),
        rows(growth["devices"], "devices"),
        f"Whole runs of {growth['epochs']} epochs, four splits, a process each; programs from the compile cache.",
    ]


def _blocks(blocks: list[dict[str, Any]]) -> list[str]:
    rows = [
        {
            "network": row["network"],
            **{f"block {block}": f"{rate['median']:.0f}" for block, rate in row["rates"].items()},
            "chosen": str(row["chosen"]),
            "of the best, %": f"{100 * row['chosen_of_best']:.0f}",
        }
        for row in blocks
    ]
    return [
        "## Members side by side",
        markdown(rows),
        "Member-steps a second by the number of members that a device trains side by side.",
    ]


def _store(rows: list[dict[str, Any]]) -> list[str]:
    table = [
        {
            "Members": f"{row['members']:,}",
            "Folder, MB": f"{row['bytes'] / 1e6:.0f}",
            "Analysis and report, s": f"{row['seconds']:.0f}",
            "Peak memory, MB": f"{row['peak_bytes'] / 1e6:.0f}",
        }
        for row in rows
    ]
    return [
        "## Folders of many members",
        "Of 16 cells on 5 splits, 1,000 test examples of 10 classes, made up; imports are in the seconds.",
        markdown(table),
    ]


def _accelerator(result: dict[str, Any]) -> list[str]:
    rows = [
        {
            "products": row["precision"],
            "member-steps a second": _range(row["rate"], 0),
            "cross-entropy after five epochs": f"{row['loss']:.4f}",
        }
        for row in result["precisions"]
    ]
    return [
        f"## On {result['device']}",
        *_blocks(result["blocks"])[1:],
        f"The last network at block {result['best_block']}: {100 * result['share_of_bandwidth']:.0f} % of the memory "
        f"roofline (seven streams at {result['bandwidth'] / 1e9:.0f} GB/s), {100 * result['share_of_matmul']:.0f} % of "
        f"the rate of large products ({result['matmul'] / 1e12:.1f} TF/s). Products:",
        markdown(rows),
    ]


def _accelerators(found: dict[str, Any]) -> list[str]:
    before = found["before"]
    parts = [
        "## What compilers make of it, for devices that were not there",
        "Nothing here ran on these devices. XLA compiled the programs of a sweep for them as they are described to it; "
        "cycles and memory are its estimates, of the whole program of an epoch: what is moved out of the loop over "
        "batches is counted in, and temporaries are what an epoch needs besides its arguments.",
    ]
    for name, target in found["targets"].items():
        rows = [
            {
                "members": case,
                "block": str(row["block"]),
                "cycles a member-step": f"{row['cycles']:,.0f}" if "cycles" in row else "no estimate",
                "temporaries a member, MB": f"{row['temporaries'] / 1e6:.2f}",
                "largest array in the loop": _sized(row),
                "to compile, s": f"{row['seconds']:.0f}",
            }
            for case, row in target["cases"].items()
        ]
        plain = target["cases"]["plain"]
        words = f"Block {plain['block']}: {plain['why']}. Command: `{target['command']}`."
        parts += [f"### {name}", markdown(rows), words]
    if found["targets"]:
        parts.append(
            f"Before, a condition for each member gave everybody a copy of the data set in every step: on a v5e "
            f"{before['cycles']:,.0f} cycles a member-step and {before['temporaries'] / 1e6:.0f} MB of temporaries a "
            f"member at block {before['block']}, the engine's choice then ({before['compiler']})."
        )
    if "host" in found:
        host = found["host"]
        idle = max(0.0, 1 - host["chip_seconds"] / host["working_seconds"])
        parts.append(
            f"While a {host['device']} would train an epoch of {host['block']} members for "
            f"{1e3 * host['chip_seconds']:.0f} ms (by the estimate), the host draws and sends the next orders, makes "
            f"the calls and reads the last losses in {1e3 * host['working_seconds']:.0f} ms (measured here, on "
            f"{host['processor']}): the device waits for {100 * idle:.0f} % of the time."
        )
    there = {one["title"] for one in found["targets"].values()}
    missing = [why for why in found["missing"].values() if why.partition(":")[0] not in there]
    if missing:
        parts.append("Not compiled:\n\n" + "\n".join(f"- {why}" for why in missing))
    return parts


def _sized(row: dict[str, Any]) -> str:
    (train,) = (one for one in row["programs"] if one["name"] == "train_epoch")
    size, shape = train["largest"][0] if train["largest"] else (0, "none")
    return f"{shape}, {size / 1e6:.1f} MB"
