"""Dagster's door: `dagster dev -m mlops_assets.definitions` loads every model file of the models folder."""

import os

from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.model_file import load_models
from mlops_assets.settings import Settings

settings = Settings.from_environment(os.environ)
defs = build_definitions(load_models(settings.models), executor=settings.executor)
