"""The prediction API: readings in over HTTP, the champion's predictions out, with the version that made them.

It needs the ledger and the bundles, neither Dagster nor MLflow. Features come from the same `features` code as training.
Which model is champion is decided elsewhere; this room only follows.
"""
