"""Alerts: how a message reaches a person. Recording it belongs to `ledger`."""
