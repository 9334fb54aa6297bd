"""The firms we serve: clients, their contacts and contracts, and the events their calls are about.

Events usually belong to another system (1C); the archive keeps what it is told and makes an event
of its own only where a recording would otherwise belong to none. A telephone number is kept in
E.164, so that every way of writing it is the same number.
"""
