"""The plots of growth, from what `benchmarks.growth` and `benchmarks.soak` measured: `growth.svg`, `soak.svg`.

It runs where matplotlib is, in `.venv-bench`: `.venv-bench/bin/python -m benchmarks.draw`.
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

_HERE = Path(__file__).parent
_PARTS = ("worker", "ledger", "vault", "producer")

#: The same values give the same file.
mpl.rcParams["svg.hashsalt"] = "bench"
mpl.rcParams["svg.fonttype"] = "none"


def growth(values: dict[str, dict[str, float]]) -> None:
    """For each part: its CPU in each ledger, and the goal as a line a quarter above the first."""
    names = list(values)
    figure, axes = plt.subplots(1, len(_PARTS), figsize=(14, 0.5 * len(names) + 1.5), sharey=True)
    for axis, part in zip(axes, _PARTS, strict=True):
        axis.barh(names, [values[name][part] for name in names], color="#4878a8")
        axis.axvline(values[names[0]][part] * 1.25, color="#b04040", linestyle="--", linewidth=1)
        axis.set_title(f"{part}, µs of CPU a transfer", fontsize=9)
        axis.tick_params(labelsize=8)
    axes[0].invert_yaxis()
    figure.suptitle("A transfer in ledgers of several sizes and states; dashed: a quarter above the first", fontsize=10)
    _save(figure, "growth.svg")


def soak(samples: list[dict[str, float]]) -> None:
    names = ("memory_mb", "descriptors", "threads")
    figure, axes = plt.subplots(len(names), 1, figsize=(10, 6), sharex=True)
    minutes = [each["second"] / 60 for each in samples]
    for axis, name in zip(axes, names, strict=True):
        axis.plot(minutes, [each[name] for each in samples], color="#4878a8")
        axis.set_ylabel(name.replace("_", " "), fontsize=8)
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("minutes")
    figure.suptitle("A worker at 60 transfers a second", fontsize=10)
    _save(figure, "soak.svg")


def _save(figure: plt.Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(_HERE / name, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    for draw in (growth, soak):
        values = _HERE / f"{draw.__name__}.json"
        if values.exists():
            draw(json.loads(values.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
