"""Reports: an evidence record and a decision as tables, Markdown, HTML and plots.

Comes in: an `Evidence` record, a `Decision`, an evaluation. Goes out: text, a page, PNG files. Nothing here decides or
measures: that is done in `promotion` and `evaluation`.
"""

from mlops_assets.reports.html import html
from mlops_assets.reports.markdown import markdown, write_report
from mlops_assets.reports.plots.selection import draw_plots

__all__ = ["draw_plots", "html", "markdown", "write_report"]
