"""Which URLs of a torrent or magnet link are kept: those that a client can at least try.

Their authors are strangers; one URL that cannot be taken apart must not hurt the others.
"""

from urllib.parse import urlsplit

__all__ = ["TRACKER_SCHEMES", "WEBSEED_SCHEMES", "usable"]

TRACKER_SCHEMES = ("http", "https", "udp", "ws", "wss")
WEBSEED_SCHEMES = ("http", "https")


def usable(url: str, schemes: tuple[str, ...]) -> bool:
    """Tell whether a URL is printable, of one of these schemes, and names a host and no impossible port."""
    if not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an IPv6 address, a port that is no number or too large
        return False
