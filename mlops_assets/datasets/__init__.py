"""Versioned tables: every frame a run keeps, as Delta tables at `<root>/<model>/<table>`, a folder or s3://.

Comes in: frames, and who wrote them. Goes out: `TableVersion`s, and exactly the rows of any version ever written.
What the rows mean, and whether they are good, is for the packages above.
"""

from mlops_assets.datasets.commits import Commit, Provenance
from mlops_assets.datasets.content import content_hash, storable
from mlops_assets.datasets.difference import ColumnChange, Difference, diff
from mlops_assets.datasets.memory import MemoryDatasets
from mlops_assets.datasets.pinning import Tag, checkout, restore, tag, tagged, tags, verify
from mlops_assets.datasets.tables import Datasets

__all__ = [
    "ColumnChange",
    "Commit",
    "Datasets",
    "Difference",
    "MemoryDatasets",
    "Provenance",
    "Tag",
    "checkout",
    "content_hash",
    "diff",
    "restore",
    "storable",
    "tag",
    "tagged",
    "tags",
    "verify",
]
