"""A model version from one environment to the next, with the evidence that it was approved on.

Comes in: a version of this ledger, or a file from another environment. Goes out: that file, or a challenger that this
environment's own gates decide on. Copies of a whole platform are `local.backup`'s.
"""
