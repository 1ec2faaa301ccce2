"""The request and response formats of the API: one module per protocol, all on the same records.

Comes in: a request's body. Goes out: records for `served`, and the response in the shape that the protocol's clients
read. A protocol neither loads models nor checks values; a new one is a module here and a line in `routes`.
"""
