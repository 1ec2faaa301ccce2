"""The prediction API: readings in over HTTP, the champion's predictions out, with the version that made them.

It needs the ledger and the bundles, neither Dagster nor MLflow; features come from the code that training used.
Which model is champion is decided elsewhere; this room only follows.
"""
