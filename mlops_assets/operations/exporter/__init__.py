"""The platform's metrics for Prometheus: a few SQL queries, and what the machine knows about itself.

Comes in: readers of the ledger and of Dagster's database, samplers of the machine handed in from above. Goes out:
Prometheus's text. The prediction API counts its own requests (`serving.metrics`).

    families.py   every metric: its name, help text, labels and largest number of series
    queries.py    the SQL that fills them
    collector.py  runs what is due, keeps what is not, and reports what failed
    server.py     /metrics on a port of its own
"""
