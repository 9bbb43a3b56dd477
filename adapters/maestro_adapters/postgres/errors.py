"""What PostgreSQL's and libpq's errors mean to the caller of a store, and what to do about them."""

from __future__ import annotations

from typing import Final

from maestro.kernel.errors import PortError

__all__ = ["failure"]

_Meaning = tuple[str, float | None, str]

_UNREACHABLE: Final[_Meaning] = (
    "store_unreachable", 1.0, "Start the server, or correct host and port; the next call connects again."
)  # fmt: skip
_STARTING: Final[_Meaning] = ("store_unreachable", 1.0, "The server is starting or stopping; wait.")
_CROWDED: Final[_Meaning] = (
    "store_busy", 1.0, "Raise max_connections, or lower the stores' size in each process."
)  # fmt: skip
_SLOW: Final[_Meaning] = (
    "store_busy",
    1.0,
    "Look for long transactions in pg_stat_activity, or raise the timeout.",
)
_LOST_RACE: Final[_Meaning] = ("store_busy", 0.1, "Try again.")
_REFUSED: Final[_Meaning] = (
    "store_refused", None, "Correct user and password, and see pg_hba.conf; the user needs CREATE on the database once."
)  # fmt: skip
_UNTRUSTED: Final[_Meaning] = (
    "store_untrusted", None, "Compare sslmode, sslrootcert and the host's name with the server's certificate."
)  # fmt: skip
_CHANGED: Final[_Meaning] = (
    "store_unopened", None, "The schema was changed or dropped meanwhile: open the store again."
)  # fmt: skip
_ENCODING: Final[_Meaning] = ("store_unsuited", None, "Use a database with the encoding UTF8.")
_FULL: Final[_Meaning] = ("store_full", 30.0, "Free disk or memory of the server.")

# By SQLSTATE, else by its class, its first two characters.
_STATES: Final[dict[str, _Meaning]] = {
    "08": _UNREACHABLE,
    "57P01": _STARTING,
    "57P02": _STARTING,
    "57P03": _STARTING,
    "57P05": _STARTING,
    "53300": _CROWDED,
    "53": _FULL,
    "57014": _SLOW,
    "55P03": _SLOW,
    "25P": _SLOW,
    "40": _LOST_RACE,
    "25006": ("store_read_only", 5.0, "Connect to the primary (target_session_attrs=read-write)."),
    "28": _REFUSED,
    "42501": _REFUSED,
    "3D": ("store_unopened", None, "Create the database, or name another one."),
    "3F": _CHANGED,
    "42P01": _CHANGED,
    "42883": _CHANGED,
    "42703": _CHANGED,
    "42P07": ("store_foreign", None, "Another application uses this schema: name another one."),
    "42723": ("store_foreign", None, "Another application uses this schema: name another one."),
    "22021": _ENCODING,
    "22P05": _ENCODING,
    "MC001": ("store_unsuited", None, "Connect directly or through a pooler in session mode."),
}

# A connection that fails to open has a text alone, in the server's language: by what it says in English.
_TEXTS: Final[tuple[tuple[str, _Meaning], ...]] = (
    ("certificate", _UNTRUSTED),
    ("SSL", _UNTRUSTED),
    ("authentication failed", _REFUSED),
    ("no pg_hba.conf entry", _REFUSED),
    ("no password supplied", _REFUSED),
    ("session is read-only", _STATES["25006"]),
    ("server is in hot standby mode", _STATES["25006"]),
    ("too many", _CROWDED),
    ("remaining connection slots", _CROWDED),
    ("the database system is", _STARTING),
    ("role", _REFUSED),
    ("database", _STATES["3D"]),
)


_WITHOUT_STATE: Final = frozenset({"OperationalError", "ConnectionTimeout"})
"""What the driver raises of its own, without having heard from the server."""


def failure(name: str, error: Exception) -> PortError:
    """The error that a caller gets for one of the driver's; its message names the server without secrets."""
    state = getattr(error, "sqlstate", None) or ""
    text = " ".join(str(error).split()).rstrip(".")
    meaning = _STATES.get(state) or _STATES.get(state[:3]) or _STATES.get(state[:2])
    if meaning is None and not state and type(error).__name__ in _WITHOUT_STATE:
        said = text.rpartition("FATAL:")[2]
        meaning = next((known for part, known in _TEXTS if part in said), _UNREACHABLE)
    code, retry_after, remedy = meaning or ("store_failed", 1.0, "See the server's log.")
    return PortError(f"{name}: {text}.", code=code, retry_after=retry_after, remedy=remedy)
