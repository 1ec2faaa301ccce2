"""Declared cleaning steps: the `repairs` section of a model file applied to fetched rows, each step counted.

Comes in: rows as fetched. Goes out: rows with typed columns, and one `Repair` record per step. Judging rows belongs to
`validation`.
"""
