"""Whether what is kept is still what came in: checks of objects, locks in the store, notes.

A *check* reads an object and compares it with what its row says; its result is written down and
never changed. A *damaged* recording is put apart: no release of it is allowed until the same bytes
are back. A *lock* is what the store refuses to delete, claimed only as the store itself said it. A
*note* beside an object holds what its row says, so that the rows can be made again from the store.

A store that does not answer has told nothing about an object, and is asked again.
"""
