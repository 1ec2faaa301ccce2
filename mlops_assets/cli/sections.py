"""Which command belongs to which section of `mlops --help`. Every command is in exactly one."""

from __future__ import annotations

from typing import Final

SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "Write model files": ("new", "init", "validate", "list", "schema", "plan", "what-if", "backtest"),
    "Run": ("demo", "up", "open", "run", "predict", "stream", "status", "logs", "smoke"),
    "Decide": (
        "report",
        "review",
        "waiting",
        "approve",
        "defer",
        "reject",
        "promote",
        "waive",
        "waivers",
        "history",
        "diff",
    ),
    "Watch": ("health", "monitoring", "week", "docs", "alerts", "why", "retrain", "data", "features"),
    "Recover": ("rollback", "rollout", "rescore", "retire", "drill", "reproduce", "heal"),
    "Operate": (
        "doctor",
        "migrate",
        "serve",
        "exporter",
        "keys",
        "backup",
        "export",
        "import",
        "gc",
        "audit",
    ),
}
