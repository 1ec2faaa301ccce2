"""File formats: bytes in, a polars frame out.

One module per format or layer of a format (encoding, compression). Which file, and from where, is decided in
`readings.sources`.
"""
