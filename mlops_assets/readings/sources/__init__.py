"""Where readings come from: one module per type of source, all listed in `registry.SOURCES`.

Comes in: the `source` section of a model file and a request. Goes out: `Fetched` rows, unchanged. Cleaning them belongs
to `readings.cleaning`, the bytes of a file format to `readings.formats`.
"""
