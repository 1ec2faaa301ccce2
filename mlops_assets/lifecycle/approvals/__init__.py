"""Human approval: answers to a waiting challenger, from the command line, the review page or files.

Which answers count is decided in `promotion`; storing them belongs to `ledger`.
"""
