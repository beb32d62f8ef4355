"""The first tables of docs/performance.md, of benchmarks.json: `python3 trials/bench/benchmark_table.py`."""

from __future__ import annotations

import json
from pathlib import Path

FIGURES = Path(__file__).with_name("benchmarks.json")
PLAIN = "a plain handler: boto3, Powertools Logger, as `sam build` lays them out"
COMMANDS = {
    "aws ecs update-service": "`aws ecs update-service --force-new-deployment`",
    "ecs-deploy": "`ecs deploy`",
}
PUSHES = ("pushlive, warm", "pushlive, cold")


def table() -> str:
    """Return the figures as a table in Markdown."""
    found = json.loads(FIGURES.read_text(encoding="utf-8"))
    lines = ["| pushlive, as a multiple of … | RedeployService | UpdateRecord |", "|---|---:|---:|"]
    for what, title in (("time_ratio_to", "cold start"), ("memory_ratio_to", "memory")):
        ratios = [f"{each[what]['plain']:.2f}" for each in found["cold_start"]["functions"].values()]
        lines.append(f"| {title}, of {PLAIN} | {' | '.join(ratios)} |")
    lines.append(
        f"| layer, zipped, of the plain libraries | {found['packages']['layer_ratio_to_plain']:.2f} | |"
    )
    for other, words in COMMANDS.items() if "pushes" in found else ():
        warm, cold = (found["pushes"]["time_ratio"][f"{ours} to {other}"] for ours in PUSHES)
        lines.append(f"| push to deployment, warm (cold), of {words} | {warm:.2f} ({cold:.2f}) | |")
    lines += ["", "| a push to a cluster | services concerned | calls that read | seconds | throttled |"]
    lines.append(f"|{'---|'}{'---:|' * 4}")
    for cluster in found["growth"]["clusters"]:
        its, services = cluster["events"]["push"], cluster["services"]
        cells = (cluster["concerned"], its["reading_calls"], its["seconds"], its["throttled"])
        lines.append(f"| of {services:,} service{'s' * (services > 1)} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
