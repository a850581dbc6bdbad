"""Write the fingerprints of the suite's tables, once for every version of the suite: python scripts/pin_suite.py"""

from pathlib import Path

from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.pinned import N_SEEDS
from synimg.phantoms.scenarios.suite import SUITE, VERSION

FILE = Path(__file__).resolve().parents[1] / "phantoms" / "scenarios" / "fingerprints.toml"


def main() -> None:
    lines = [f"# Fingerprints of seeds 1 to {N_SEEDS} of every scenario, version {VERSION} of the suite."]
    for name, settings in SUITE.items():
        prints = ", ".join(f'"{draw(settings, seed).fingerprint()}"' for seed in range(1, N_SEEDS + 1))
        lines.append(f"{name} = [{prints}]")
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
