"""The approval page: waiting challengers with their report and three buttons, on 127.0.0.1.

Comes in: a browser on this machine, with the review key. Goes out: pages, and verdicts through `lifecycle.approvals`,
which the command line uses too. It is an application of its own and not part of the prediction API: whoever may ask for
predictions may not therefore promote models. Needs the ledger and the bundles, neither Dagster nor MLflow.

    app         routes and headers
    report_routes   pages that only show: monitoring reports, data quality
    sessions    who is signed in, and how fast keys may be tried
    forms       fields of forms that our own pages sent
    pages       HTML from `templates/`, every value escaped
"""
