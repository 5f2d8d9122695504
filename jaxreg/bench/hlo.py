"""What a compiler says of a program that it made: cycles, arrays and types, from the optimised HLO as text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

BYTES = {"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "bf16": 2, "f16": 2, "s64": 8, "u64": 8, "f64": 8}  # else 4
INSTRUCTION = re.compile(r"^ +(?:ROOT )?%?[\w.\-]+ = (.*)$")
ARRAY = re.compile(r"\b(pred|bf16|[suf]\d+)\[([\d,]*)\]")
# Calls by which XLA keeps its books: they compute nothing.
FREE_CALLS = {"AllocateBuffer", "ConcatBitcast", "AssumeGatherIndicesInBound", "GatherScatterIndicesBitpacked"}


class Program:
    """The computations of a module by name, each a list of instructions."""

    def __init__(self, text: str):
        self.text = text
        self.computations: dict[str, list[str]] = {}
        self.entry = ""
        lines: list[str] = []
        for line in text.splitlines():
            if (head := re.match(r"^(ENTRY )?%?([\w.\-]+) .*\{$", line)) is not None:
                lines = self.computations[head[2]] = []
                self.entry = head[2] if head[1] else self.entry
            elif (found := INSTRUCTION.match(line)) is not None:
                lines.append(found[1])

    def cycles(self, steps: int | None = None) -> int:
        """The TPU compiler's estimate for the whole program: loops as often as they run, of a choice the dearest.

        Args:
            steps: rounds of a loop whose bound is not a constant.

        Raises:
            ValueError: a part has no estimate: a custom call, or a loop of unknown length.
        """
        return self._cycles(self.entry, steps)

    def largest(self, most: int = 3, loops: bool = True) -> list[tuple[int, str]]:
        """Bytes and shapes of the largest arrays that are made, in loops or anywhere."""
        wanted = set(self.in_loops()) if loops else set(self.computations)
        found: dict[str, int] = {}
        for name in wanted:
            for line in self.computations[name]:
                result, operation = _result(line)
                if operation not in ("parameter", "get-tuple-element", "tuple", "bitcast", "while", "conditional"):
                    found |= {shape: size for size, shape in _arrays(result)}
        return sorted(((size, shape) for shape, size in found.items()), reverse=True)[:most]

    def types(self) -> set[str]:
        """Element types of all arrays."""
        return {kind for kind, _ in ARRAY.findall(self.text)}

    def in_loops(self) -> Iterator[str]:
        """Computations that are, or are called by, the body of a loop."""
        waiting, seen = [line for lines in self.computations.values() for line in lines if " while(" in line], set()
        names = [name for line in waiting for name in _called(line, "body")]
        while names:
            name = names.pop()
            if name not in seen:
                seen.add(name)
                yield name
                for line in self.computations[name]:
                    if " fusion(" not in line:  # what is inside a fusion is never in memory
                        names += _called(line, "body", "branch_computations", "to_apply")

    def _cycles(self, name: str, steps: int | None) -> int:
        total = 0
        for line in self.computations[name]:
            _, operation = _result(line)
            estimate = re.search(r'"estimated_cycles":"(\d+)"', line)
            if operation == "while":
                (body,), (condition,) = _called(line, "body"), _called(line, "condition")
                total += self._rounds(condition, line, steps) * self._cycles(body, steps)
            elif operation == "conditional":
                branches = _called(line, "branch_computations", "true_computation", "false_computation")
                total += max(self._cycles(branch, steps) for branch in branches)
            elif operation == "call":
                total += sum(self._cycles(called, steps) for called in _called(line, "to_apply"))
            elif estimate is not None:
                total += int(estimate[1])
            elif operation == "custom-call":
                (target,) = re.findall(r'custom_call_target="([^"]*)"', line)
                if target not in FREE_CALLS:
                    raise ValueError(f"the compiler gives no estimate for its call of {target}")
        return total

    def _rounds(self, condition: str, loop: str, steps: int | None) -> int:
        if (known := re.search(r'"known_trip_count":\{"n":"?(\d+)', loop)) is not None:
            return int(known[1])
        constants = re.findall(r"s32\[\]\S* constant\((\d+)\)", "\n".join(self.computations[condition]))
        if len(constants) == 1:
            return int(constants[0])
        if steps is None:
            raise ValueError("a loop of unknown length")
        return steps


def _result(line: str) -> tuple[str, str]:
    """The type of an instruction's result, and its operation: `f32[2] add(...)`, `(f32[2], s32[]) while(...)`."""
    found = re.match(r"(\(.*?\)|\S+) ([\w\-]+)\(", line)
    return (found[1], found[2]) if found else ("", "")


def _arrays(types: str) -> list[tuple[int, str]]:
    found = []
    for kind, shape in ARRAY.findall(types):
        found.append((BYTES.get(kind, 4) * math.prod(map(int, filter(None, shape.split(",")))), f"{kind}[{shape}]"))
    return found


def _called(line: str, *roles: str) -> list[str]:
    found = []
    for role in roles:
        for one, many in re.findall(rf"\b{role}=(?:%?([\w.\-]+)|\{{([^}}]*)\}})", line):
            found += [one] if one else [name.strip().lstrip("%") for name in many.split(",")]
    return found


def largest_array(text: str) -> int:
    """Bytes of the largest array anywhere in a program, its arguments included."""
    return max(size for size, _ in _arrays(text))
