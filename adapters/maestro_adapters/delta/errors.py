"""What deltalake, Arrow and the file system raise, told as ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from maestro.kernel.errors import MaestroError, PortError

__all__ = ["storage_errors", "told"]

_BY_ERRNO = {
    errno.ENOSPC: ("store_full", "Free disk space; nothing was committed, the batch can be given again."),
    errno.EDQUOT: ("store_full", "Raise the quota; nothing was committed, the batch can be given again."),
    errno.EACCES: ("store_refused", "Give this user the right to write there."),
    errno.EPERM: ("store_refused", "Give this user the right to write there."),
    errno.EROFS: ("store_read_only", "Mount it writable, or name another table."),
    errno.ENOENT: (
        "table_gone",
        "The table or one of its files was removed; restore it, or name another one.",
    ),
}
_BY_WORDS = (
    ("no space left", errno.ENOSPC),
    ("permission denied", errno.EACCES),
    ("access denied", errno.EACCES),
    ("accessdenied", errno.EACCES),
    ("operation not permitted", errno.EPERM),
    ("read-only file system", errno.EROFS),
    ("no such file", errno.ENOENT),
    ("not found", errno.ENOENT),
    ("not a delta table", errno.ENOENT),
    ("no log files", errno.ENOENT),
    ("no files in log segment", errno.ENOENT),
)


@contextmanager
def storage_errors(address: str) -> Iterator[None]:
    """Around calls that touch storage: what they raise becomes a PortError that names the table."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except MaestroError:
        raise
    except (OSError, DeltaError, pa.ArrowInvalid) as error:
        raise told(error, address) from error


def told(error: Exception, address: str) -> PortError:
    """The error with the table's name, a code and a remedy."""
    number = getattr(error, "errno", None)
    text = " ".join(str(error).split())
    if number not in _BY_ERRNO:
        lower = text.lower()
        number = next((found for words, found in _BY_WORDS if words in lower), None)
    code, remedy = _BY_ERRNO.get(number or 0, ("store_failed", "See the message."))
    waiting = None if code in {"store_refused", "store_read_only", "table_gone"} else 1.0
    return PortError(f"{address}: {text[:400]}.", code=code, retry_after=waiting, remedy=remedy)
