"""What ``isgware stats`` prints of the fleet's counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from ..formatting import duration, printable
from ..management.fleet_counts import Fleet

#: Routes and reasons that are printed; JSON has more.
_ROUTES: Final = 10
_REASONS: Final = 5


def fleet_lines(fleet: Fleet | None) -> list[str]:
    """None if the store keeps no counts."""
    if fleet is None:
        return []
    if fleet.since is None:
        return ["", "Nothing was counted yet. A process tells the store every 5 s."]
    since = datetime.fromtimestamp(fleet.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = ["", f"{_ratio(fleet.hit_ratio)} of page requests came from the store, since {since}."]
    lines.append(f"requests      {fleet.requests:,} ({_listed(fleet.results)})")
    if fleet.renders:
        lines.append(
            f"renders       {sum(fleet.renders.values()):,} ({_listed(fleet.renders)}), "
            f"{_spent(fleet.render_seconds)} in all; {fleet.unchanged_renders:,} changed nothing"
        )
    lines.append(f"saved         {_spent(fleet.saved_seconds)} of rendering")
    lines += _routes(fleet)
    if fleet.reasons:
        lines += ["", "Why pages were not served"]
    for reason in fleet.reasons[:_REASONS]:
        lines.append(f"  {reason.requests:>9,}  {reason.reason} ({_listed(reason.routes)})")
        lines += [f"             {reason.remedy}"] if reason.remedy else []
    return list(map(printable, lines))


def _routes(fleet: Fleet) -> list[str]:
    shown = [(name, route) for name, route in fleet.routes.items() if route.requests][:_ROUTES]
    if not shown:
        return []
    width = max(5, *(len(name) for name, _ in shown))
    lines = ["", f"{'ROUTE':<{width}}  {'REQUESTS':>10}  {'HITS':>6}  {'RENDERS':>8}  MEAN RENDER"]
    for name, route in shown:
        mean = f"{route.mean_render * 1000:,.0f} ms" if route.renders else "-"
        lines.append(
            f"{name:<{width}}  {route.requests:>10,}  {_ratio(route.hit_ratio):>6}  "
            f"{route.renders:>8,}  {mean}"
        )
    return lines


def _spent(seconds: float) -> str:
    return duration(seconds) if seconds >= 10 else f"{seconds:.1f} s"


def _ratio(ratio: float | None) -> str:
    return f"{(ratio or 0.0) * 100:.0f} %"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items())
