"""The uploader: a small program beside a softphone that brings its recordings to the archive.

It stands alone: it imports no other room and nothing but the standard library (and `cryptography`
where that is there), so that it runs as one file with any Python from 3.11 on.

Its words. A *file* lies in a watched folder. An *item* is a file, or a screenshot, that was taken
into the spool: its bytes are kept there until the archive has signed for them. A *call* is what a
phone's events or a hook told. An item is *waiting* for facts or for the end of its call, *held* for
a person, *ready*, *sending*, *sent*, *refused* by the archive, or *private*.

What must hold: an item is sent under one key, however often the program dies; a file is removed
only after a receipt whose signature and digest are right; what was marked private is not sent.
"""
