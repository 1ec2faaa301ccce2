"""The only package that knows Dagster: one asset group per model file, with checks, schedules and sensors.

An asset body calls one `lifecycle` function and returns its record as metadata; what a stage does, and whether a
challenger is any good, is decided in the packages below.
"""
