"""One YAML file per model declares its whole life; one Dagster asset graph lives it."""

__version__ = "0.1.0"
