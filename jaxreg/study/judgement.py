"""The notebook's conclusions judged: conclusions.csv and the section of the page."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxreg.formatting import estimate, listing, number
from jaxreg.study.conclusions import CONCLUSIONS
from jaxreg.study.evidence import FAILS, HOLDS, LEVEL, MISSING, OTHER, Finding, Runs, decide, together

EXPLAINED = (
    "A conclusion holds if every number that counts for it has the sign it says, and does not hold if one has the "
    "other sign. Differences are paired by training set (by seed in the notebook's own setting, where all share "
    "one), with 95 % intervals over training sets and seeds. A sign counts as told where p is below 0.05 after "
    "Benjamini and Hochberg's correction over all numbers below that count, each taken once: of the signs called told, "
    "at most one in twenty is expected to be wrong. (p before it: Student's t over the pairs; for a difference of "
    'variance, from its interval.) "Best" strengths are those with the lowest test cross-entropy here. Numbers in '
    "italics decide nothing: they are the notebook's own setting, or other views of the same question."
)


def judge(runs: Runs) -> list[list[Finding]]:
    """The findings of each conclusion; the correction runs over those of all conclusions together."""
    findings = iter(decide([claim for conclusion in CONCLUSIONS for claim in conclusion.claims], runs))
    return [[next(findings) for _ in conclusion.claims] for conclusion in CONCLUSIONS]


def verdict(findings: list[Finding], holm: bool = False) -> str:
    """The verdict on a conclusion from its findings, also as it would be after Holm's correction."""
    if not findings:
        return OTHER
    return together([f.under_holm if holm else f.verdict for f in findings if f.claim.counts])


def rows(judged: list[list[Finding]]) -> pd.DataFrame:
    """conclusions.csv: a row a finding, one without numbers for a conclusion that no number can decide."""
    table = []
    for place, (conclusion, findings) in enumerate(zip(CONCLUSIONS, judged, strict=True), 1):
        base = {"conclusion": place, "text": conclusion.text, "verdict": verdict(findings)}
        for finding in findings:
            measured = finding.measured
            row: dict[str, object] = {"measured": measured.what if measured else finding.note}
            if measured:
                row |= {"value": measured.value, "low": measured.low, "high": measured.high, "p": measured.p}
            row |= {"p_bh": finding.p_bh, "p_holm": finding.p_holm, "finding": finding.verdict}
            table.append(base | row | {"counts": finding.claim.counts, "source": finding.claim.source})
        if not findings:
            table.append(base)
    return pd.DataFrame(table)


def section(judged: list[list[Finding]]) -> str:
    """The thirteen conclusions: an overview, then the numbers behind each."""
    overview, details = [], []
    for place, (conclusion, findings) in enumerate(zip(CONCLUSIONS, judged, strict=True), 1):
        decided = verdict(findings)
        overview.append({"No.": str(place), "Conclusion": conclusion.text, "Verdict": f"**{decided}**"})
        lines = [f"### {place}. {conclusion.text}", f"**{decided[0].upper()}{decided[1:]}.**"]
        lines[1] += f" {conclusion.aside}" if conclusion.aside else ""
        evidence = list(dict.fromkeys(line(finding) for finding in findings))
        lines += ["\n".join(evidence)] if evidence else []
        details.append("\n\n".join(lines))
    table = pd.DataFrame(overview).to_markdown(index=False, disable_numparse=True, colalign=("right", "left", "left"))
    heading = "## The conclusions of the notebook, judged"
    return "\n\n".join([heading, table, EXPLAINED, corrections(judged), *details])


def corrections(judged: list[list[Finding]]) -> str:
    """How many signs each correction leaves told, and the verdicts that Holm's would change."""
    counting = {f.measured.number: f for findings in judged for f in findings if f.claim.counts and f.measured}
    p = [(f.measured.p, f.p_bh, f.p_holm) for f in counting.values() if f.measured]
    told = [int(np.sum(np.array(column) < 1 - LEVEL)) for column in zip(*p, strict=True)] or [0, 0, 0]
    text = (
        f"Of the {len(p)} numbers, p is below 0.05 for {told[0]} uncorrected, {told[1]} after Benjamini and Hochberg, "
        f"{told[2]} after Holm, which allows one wrong sign anywhere in one study of twenty."
    )
    other = [
        f"{place} ({verdict(findings, holm=True)})"
        for place, findings in enumerate(judged, 1)
        if verdict(findings) != verdict(findings, holm=True)
    ]
    if not other:
        return f"{text} No verdict would be another under Holm's."
    return f"{text} Under Holm's, the verdict would be another on {listing(other)}."


def line(finding: Finding) -> str:
    """One finding as an item of a list."""
    if finding.measured is None:
        missing = finding.note
        missing = f"`{missing}`" if missing.startswith("python") else f"it needs {missing}"
        return f"- {MISSING}: {missing}"
    measured = finding.measured
    shown = estimate(measured.value, measured.low, measured.high, signed=True, percent=measured.percent)
    if not finding.claim.counts:
        return f"- *{measured.what}: {shown}*"
    says = {HOLDS: "says so", FAILS: "says otherwise"}.get(finding.verdict, "undecided")
    p = "" if np.isnan(finding.p_bh) else f", p = {number(finding.p_bh, 2)}"
    if measured.margin and max(abs(measured.low), abs(measured.high)) < measured.margin:
        says += f", since the whole interval is below {number(100 * measured.margin, 1)} %, which is as good as none"
    return f"- {measured.what}: **{shown}**{p}: {says} ({finding.claim.source})"
