"""The rules of HTTP that every asteri protocol and interface shares.

    settings   the limits, deadlines and header switches of HTTP
    fields     names and values of fields: the grammar, what a request may carry, what a response may carry
    host       the Host field and every other authority
    target     the forms of a request target
    framing    Content-Length and Transfer-Encoding of a request
    status     reason phrases, and which responses have no content
    date       the Date field
    exchange   what every HTTP exchange does alike
    failure    how an application's failure is answered

A library: it has no hooks, does no I/O, reads no clock, and knows neither a protocol's bytes nor an
interface.
"""
