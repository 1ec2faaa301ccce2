"""Human approval: verdicts on a waiting challenger, from the command line, the review page or files.

Which verdicts count is decided in `promotion`; storing them belongs to `ledger`.
"""
