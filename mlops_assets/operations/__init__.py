"""Operations: what the person who runs the platform wants to know about it as a whole.

Comes in: open stores, and probes of services handed in from above. Goes out: findings with the way to fix them
(`doctor`), and metrics for Prometheus (`exporter`). A single model's state belongs to `lifecycle`.
"""
