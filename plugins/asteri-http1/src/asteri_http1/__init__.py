"""HTTP/1.1 (RFC 9112) as a connection without I/O, in Python. This twin defines the meaning.

grammar      the transition table of a request head and of a trailer section
parser       finds a head in the bytes, and reads it
chunked      takes the chunked coding off a body
writer       the bytes of responses
exchange     one request and its response
connection   the life of one peer: heads, bodies, deadlines, answers in order
plugin       what is registered
"""
