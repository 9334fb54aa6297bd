"""Notes beside objects: what must be known of an object to read it without the database.

A note is named as its object with `.note` behind, and is whole by itself: a line, a wrapped key,
and the text sealed with it. It holds the object's own wrapped key, so it goes before the object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

from storage.cobblestone import HEADER_BYTES, Opener, Sealer, new_data_key
from storage.errors import ObjectDamaged
from storage.keys import MasterKeys
from storage.ports import Store

_MAGIC = b"audiatur-note-v1\n"
_KEY = re.compile(r"([0-9a-f]{2})/([0-9a-f]{30}\1)\.note")
_WRAPPED_BYTES = 69
_MOST_CHUNK_BYTES = (16 << 10) - 1
_CONTEXT = b"/note"


class Notes:
    """The notes of one store, sealed under its master keys."""

    def __init__(self, store: Store, keys: MasterKeys) -> None:
        self._store = store
        self._keys = keys

    def write(self, object_id: UUID, text: bytes) -> None:
        """Put a note beside the object, in place of the one that is there.

        Raises:
            StoreUnavailable: not known to be durable.
        """
        context = object_id.bytes + _CONTEXT
        data_key = new_data_key()
        sealer = Sealer(data_key, context)
        draft = self._store.begin(key_for(object_id), replaces=True)
        try:
            draft.write(_MAGIC + self._keys.wrap(data_key, context=context) + sealer.header)
            whole = len(text) - len(text) % (_MOST_CHUNK_BYTES + 1)
            sealed = bytearray(whole + whole // (_MOST_CHUNK_BYTES + 1) * 16)
            sealer.seal_into(memoryview(text)[:whole], memoryview(sealed))
            draft.write(bytes(sealed) + sealer.seal_last(memoryview(text)[whole:]))
            draft.keep()
        finally:
            draft.discard()

    def read(self, object_id: UUID) -> bytes:
        """Return the text of the note.

        Raises:
            ObjectMissing: there is none.
            ObjectDamaged: it was changed, belongs elsewhere, or is sealed with another key.
            StoreUnavailable: the store is away.
        """
        found = b"".join(self._store.stream(key_for(object_id)))
        if not found.startswith(_MAGIC):
            raise ObjectDamaged("This is no note.")
        context = object_id.bytes + _CONTEXT
        key_end = len(_MAGIC) + _WRAPPED_BYTES
        data_key = self._keys.unwrap(found[len(_MAGIC) : key_end], context=context)
        header_end = key_end + HEADER_BYTES
        opener = Opener(data_key, context, found[key_end:header_end])
        return opener.open(found[header_end:], first_chunk=0)

    def objects(self) -> Iterator[UUID]:
        """Yield the ids of the objects that have a note."""
        for listed in self._store.keys(prefix=""):
            match = _KEY.fullmatch(listed.key)
            if match:
                yield UUID(hex=match[2])

    def remains(self, object_id: UUID) -> bool:
        """Tell whether a note is there, in any version."""
        return self._store.remains(key_for(object_id))

    def delete(self, object_id: UUID) -> None:
        """Destroy the note, all its versions included; do nothing where there is none."""
        self._store.delete(key_for(object_id))


def key_for(object_id: UUID) -> str:
    """Return the key of the note beside an object."""
    return f"{object_id.hex[-2:]}/{object_id.hex}.note"
