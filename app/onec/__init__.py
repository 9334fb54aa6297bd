"""1C: what it tells by itself, what it is asked for by OData, and what it is told in return.

A *source* is one infobase of 1C; a *thing* is one client, contact, contract or event of it, by its
reference there and the version that was seen last; an *item* is what is told of a thing once. A
*return* is what is written into 1C's own document of an event. What must hold:

- A thing told again is the same thing, changed; the same content again changes nothing.
- A bad item never stops a good one. What is refused stays here with its reasons, and is tried
  again by itself when what it lacked has come.
- What 1C marks for deletion ends; nothing is removed, and recordings stay where they are.
- What 1C is told is the address of our own page of a recording: no sound, no number, no secret.
- 1C is spoken to under the rules of `core/outbound.py`, at the host of the source alone.
"""
