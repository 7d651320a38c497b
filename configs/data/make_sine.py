"""Make sine.csv: 50 points of sin(x) on [-2 pi, 2 pi] with Gaussian noise of deviation 0.3."""

from pathlib import Path

import numpy as np

POINTS, NOISE, SEED = 50, 0.3, 0


def main() -> None:
    """Write the CSV beside this script."""
    x = np.linspace(-2 * np.pi, 2 * np.pi, POINTS)
    y = np.sin(x) + np.random.default_rng(SEED).normal(0.0, NOISE, POINTS)
    rows = "".join(f"{a:.6f},{b:.6f}\n" for a, b in zip(x, y, strict=True))
    Path(__file__).with_name("sine.csv").write_text("x,y\n" + rows)


if __name__ == "__main__":
    main()
