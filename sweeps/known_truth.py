"""A table whose truth is known: `python sweeps/known_truth.py` writes known-truth.csv and says what is true of it.

20,000 rows of 50 columns, all of them independent standard normal, rounded to three digits. With

    z = 1.5 signal_1 - signal_2 + 1.5 signal_3 signal_4 + 2 (|signal_5| - sqrt(2 / pi))

the label is "yes" with probability p = 1 / (1 + exp(-z)). The other 45 columns, noise_1 to noise_45, say nothing. Who
knows p errs in E min(p, 1 - p) of rows and has a cross-entropy of E[-p log p - (1 - p) log(1 - p)], and nobody does
better. Half of the variance of z, that of the product and of the size, no linear model can see.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROWS, SIGNALS, NOISE = 20_000, 5, 45


def table(rows: int = ROWS, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """The table, and each row's probability of "yes"."""
    random = np.random.RandomState(seed)  # whose numbers NumPy keeps for all versions
    x = random.normal(size=(rows, SIGNALS + NOISE)).round(3)
    p = 1 / (1 + np.exp(-logit(x[:, :SIGNALS])))
    names = [f"signal_{i + 1}" for i in range(SIGNALS)] + [f"noise_{i + 1}" for i in range(NOISE)]
    return pd.DataFrame(x, columns=names).assign(label=np.where(random.uniform(size=rows) < p, "yes", "no")), p


def logit(signals: np.ndarray) -> np.ndarray:
    """z of rows [row, signal]."""
    s1, s2, s3, s4, s5 = signals.T
    return 1.5 * s1 - s2 + 1.5 * s3 * s4 + 2 * (np.abs(s5) - np.sqrt(2 / np.pi))


def best(p: np.ndarray) -> tuple[float, float]:
    """Error and cross-entropy of who knows p."""
    entropy = -np.where((p > 0) & (p < 1), p * np.log(p) + (1 - p) * np.log1p(-p), 0.0)
    return float(np.minimum(p, 1 - p).mean()), float(entropy.mean())


def main() -> None:
    """Writes the table where it is told to, or into the current folder."""
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "known-truth.csv")
    made, p = table()
    made.to_csv(file, index=False)
    error, entropy = best(1 / (1 + np.exp(-logit(np.random.RandomState(1).normal(size=(4_000_000, SIGNALS))))))
    told = float((np.where(p > 0.5, "yes", "no") != made["label"]).mean())
    print(f"wrote {file}: {len(made):,} rows, {(made['label'] == 'yes').mean():.1%} of them yes")
    print(f"who knows p errs in {error:.2%} of rows (in {told:.2%} of these) and has a cross-entropy of {entropy:.4f}")


if __name__ == "__main__":
    main()
