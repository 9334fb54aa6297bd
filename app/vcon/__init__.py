"""vCons that come in: conversations as others write them down, taken by the ways that all take.

Words: a vCon has *parties*, *dialogs* and *attachments*; a *note* is what was odd and tolerated, or
was left out. What must hold:

- Everything is read, its contents are there and agree with their hashes, before anything is kept.
- A dialog with sound becomes a recording, one that did not come about a known call, a picture a
  screenshot. Their names are made of the vCon's own id, so that a vCon sent again keeps nothing
  twice.
- The answer says that all of it is durable. What is refused is refused whole, with the place.
- Nothing is made up: no moment that is not there, and what is assumed is noted.
- Whether a signature was checked is told; a wrong one is refused.
"""
