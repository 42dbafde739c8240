"""What the attack suite is made of: a raw client, servers that remember what their application saw, and the cases.

wire      a client that sends bytes as they are and reads responses strictly
app       the application under attack, as WSGI and as ASGI
target    which protocol, implementation and worker model is attacked, and a server process of each
case      one case: bytes sent, answers expected, what the application saw, whether the connection goes on
cases     the tables, a module for each number of the list of attacks
"""
