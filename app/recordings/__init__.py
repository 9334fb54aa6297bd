"""Recordings and screenshots: what was captured, kept and tied to an event.

A recording has one or more legs, a leg is one file as the softphone wrote it, and its bytes never
change. What is acknowledged is durable: object, row, event link, ledger entry and job. The same
bytes under the same device, call and leg are the same recording; other bytes are refused.
"""
