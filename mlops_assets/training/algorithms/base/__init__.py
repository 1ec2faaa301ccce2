"""What algorithms share: the base classes, losses, target transforms and state-space models.

One algorithm is one file in the parent package; nothing here names one of them.
"""
