"""The profile of a table nobody has described yet: types, time, entity, sentinels, columns that are no inputs.

Comes in: a frame as a file gave it, and the column to predict. Goes out: `TableFacts`, from which `drafting`
writes a model file. Guesses follow the values first and names second, and every one is written into that file.
"""

from mlops_assets.drafting.profile.file_layout import read_undescribed
from mlops_assets.drafting.profile.table import profile_table

__all__ = ["profile_table", "read_undescribed"]
