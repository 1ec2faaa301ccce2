"""Versioned tables: every frame a run keeps, as Delta tables at `<root>/<model>/<table>`, a folder or s3://.

Comes in: frames, and who wrote them. Goes out: `TableVersion`s, and exactly the rows of any version ever written.
What the rows mean, and whether they are good, is for the rooms above.
"""

from mlops_assets.datasets.content import content_hash, storable
from mlops_assets.datasets.tables import Commit, Datasets

__all__ = ["Commit", "Datasets", "content_hash", "storable"]
