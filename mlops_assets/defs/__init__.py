"""The only room that knows Dagster: model files in, one asset group per model out, with checks, schedules and sensors.

An asset body calls one `lifecycle` function and returns its record as metadata; what a stage does, and whether a
challenger is any good, is decided below this room.
"""
