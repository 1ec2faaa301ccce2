"""Reports: an evidence record and a decision as tables, Markdown, HTML and plots.

Comes in: an `Evidence` record, a `Decision`, an evaluation. Goes out: text, an HTML page, PNG files. Decisions belong
to `promotion`, measurements to `evaluation`.
"""

from mlops_assets.reports.folder import write_report
from mlops_assets.reports.html import html
from mlops_assets.reports.markdown import markdown
from mlops_assets.reports.model_site import model_html, models_html
from mlops_assets.reports.monitoring import monitoring_html, monitoring_plots, restatement_lines
from mlops_assets.reports.plots.flips import draw_flips
from mlops_assets.reports.plots.selection import draw_plots
from mlops_assets.reports.week import week_html, week_text

__all__ = [
    "draw_flips",
    "draw_plots",
    "html",
    "markdown",
    "model_html",
    "models_html",
    "monitoring_html",
    "monitoring_plots",
    "restatement_lines",
    "week_html",
    "week_text",
    "write_report",
]
