"""Providers: telephony services that tell of calls by signed messages, and whose media is fetched.

An *account* is a company's connection to one service; it sends in the name of a device. A *notice*
is one signed message, durable as it came before it is acknowledged. A *call* gathers what notices
tell of one call, in whatever order they come; a *media* is one recording that the service made.
Media comes in by the way that all recordings take. What a service says it has not kept, and what
was lost on the way, is told to the reconciliation with its reason.
"""
