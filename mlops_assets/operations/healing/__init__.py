"""Healing: from the platform's own metrics to a cause, and from a cause to a bounded remedy or a person.

Comes in: the newest values of the exporter and their history in the ledger. Goes out: symptoms, ranked causes with
their reasons, forecasts, and remedies with what came of them. Nothing here guesses about models: that is
monitoring's work.

    snapshot.py    one reading of the platform's series, and their history
    symptoms.py    what is wrong now, by stated limits
    detectors.py   what is unusual compared with the history; evidence only, never a reason to act
    components.py  which part of the platform needs which
    causes.py      which symptom explains the others
    forecast.py    days until a limit is reached, with an interval
    remedies.py    the table: what is done about which cause, how often a day
    heal.py        one pass: diagnose, act or recommend, verify, escalate
"""
