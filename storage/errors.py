"""What can go wrong with the object store, told apart by what the caller can do about it."""

from __future__ import annotations

import errno


class StoreError(Exception):
    """The object store did not do what was asked."""


class ObjectExists(StoreError):
    """The key is taken; what is there stays as it was."""


class ObjectMissing(StoreError):
    """No object has this key, and the store itself is well."""


class ObjectDamaged(StoreError):
    """The bytes are not those that were kept: changed, cut short, or sealed with another key."""


class StoreUnavailable(StoreError):
    """The store is away, full or read-only; nothing was acknowledged, try again later."""


class StoreRefused(StoreUnavailable):
    """The store answers and forbids this: wrong credentials, or a lock on the object."""


class MasterKeyUnknown(ObjectDamaged):
    """The object may be well: the master key that its key is wrapped with is not in the file."""


class LocksUnsupported(StoreError):
    """The store cannot lock objects, or was not seen to do so; nothing is claimed of it."""


class KeyFileInvalid(StoreError):
    """The file of master keys cannot be used; the message says how to mend it."""


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EMFILE: "the process has too many open files",
    errno.EACCES: "the permissions do not allow it",
    errno.ENOENT: "the folder is gone",
}


def unavailable(exc: OSError) -> StoreUnavailable:
    """Return the error to raise for a failed system call, without the path it concerned."""
    reason = _REASONS.get(exc.errno or 0) or exc.strerror or type(exc).__name__
    kind = StoreRefused if exc.errno in {errno.EACCES, errno.EPERM} else StoreUnavailable
    return kind(f"The store cannot do this now: {reason}.")
