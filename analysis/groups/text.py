"""The answer to a question about groups as a table of 80 columns."""

import math

from synimg.analysis.separate.protocol import Separation


def groups_text(result: Separation) -> str:
    """Groups, and the slopes of a gradient; intervals are 95 %, q is after Benjamini and Hochberg."""
    assert result.groups is not None
    by = result.info["by"]
    has_change = "change_ln" in result.groups and result.groups["change_ln"].notna().all()
    head = f"{by['column'][:17]:<17}{'synapses':>9}{'learned, %':>18}{'q':>6}"
    lines = [head + (f"{'change, ln receptors':>24}{'q':>6}" if has_change else "")]
    for row in result.groups.to_dict("records"):
        share = [100.0 * row[f"share_learned{end}"] for end in ("", "_lo", "_hi")]
        line = f"{row['group'][:17]:<17}{row['n_synapses']:>9}{share[0]:>7.1f} {_range(share[1:], '.1f', 10)}"
        line += _p(row.get("q_share_learned"))
        if has_change:
            change = [row[f"change_ln{end}"] for end in ("", "_lo", "_hi")]
            line += f"{change[0]:>+9.3f} {_range(change[1:], '+.2f', 14)}{_p(row.get('q_change_ln'))}"
        lines.append(line)
    for name, title in (
        ("share_learned", "share learned"),
        ("change_ln", "ln receptors"),
        ("change_receptors", "receptors"),
    ):
        if name in by["gradient"]:
            found = by["gradient"][name]
            line = (
                f"slope of {title:<14}{found['slope']:>+11.3g} per unit, 95 % {found['lo']:+.3g} to {found['hi']:+.3g}"
            )
            lines.append(line + (f", p{_p(found['p'])}" if found["p"] is not None else ""))
    lines.append(f"q, p: by permutation of the {by['differs_between']}; groups against the rest")
    return "\n".join(lines)


def _range(ends: list[float], form: str, width: int) -> str:
    return f"{f'{ends[0]:{form}}..{ends[1]:{form}}':>{width}}"


def _p(value: float | None) -> str:
    if value is None or math.isnan(value):
        return f"{'-':>6}"
    return f"{'<.001':>6}" if value < 0.001 else f"{value:>6.3f}"
