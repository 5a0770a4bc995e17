"""Peer ids: ours, and what others' say about their software (BEP 20).

A stranger's id is 20 arbitrary bytes: what is shown of it is escaped.
"""

from axon.bt.extended import clean_text
from axon.ids import PeerId

__all__ = ["PREFIX", "client_name", "make_peer_id"]

PREFIX = b"-AX0100-"

_AZUREUS = {
    "7T": "aTorrent",
    "AG": "Ares",
    "AR": "Arctic",
    "AX": "Axon",
    "AZ": "Vuze",
    "BC": "BitComet",
    "BG": "BTG",
    "BI": "BiglyBT",
    "BT": "BitTorrent",
    "DE": "Deluge",
    "FD": "Free Download Manager",
    "FW": "FrostWire",
    "GT": "GoTorrent",
    "KG": "KGet",
    "KT": "KTorrent",
    "LP": "Lphant",
    "LT": "libtorrent",
    "lt": "rTorrent",
    "LW": "LimeWire",
    "PI": "PicoTorrent",
    "qB": "qBittorrent",
    "rQ": "rqbit",
    "SD": "Xunlei",
    "SP": "BitSpirit",
    "TL": "Tribler",
    "TR": "Transmission",
    "TX": "Tixati",
    "UM": "µTorrent Mac",
    "UT": "µTorrent",
    "UW": "µTorrent Web",
    "WD": "WebTorrent Desktop",
    "WW": "WebTorrent",
    "XL": "Xunlei",
}
_PLAIN = {b"A2-": "aria2", b"M": "Mainline", b"OP": "Opera", b"XBT": "XBT"}
_DIGITS = {c: i for i, c in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")}


def make_peer_id(entropy: bytes) -> PeerId:
    """Our id: `-AX0100-` and 12 characters made of at least 12 random bytes."""
    if len(entropy) < 12:
        raise ValueError(f"peer id: {len(entropy)} random bytes, want 12")
    alphabet = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-."
    return PeerId(PREFIX + bytes(alphabet[byte & 63] for byte in entropy[:12]))


def client_name(peer_id: bytes) -> str:
    """Software and version that an id claims, e.g. ``Transmission 3.0.0``; safe to print."""
    if len(peer_id) >= 8 and peer_id[:1] == b"-" and peer_id[7:8] == b"-" and peer_id[1:7].isalnum():
        code = peer_id[1:3].decode("ascii")
        version = [_DIGITS[c] for c in peer_id[3:7].decode("ascii")]
        while len(version) > 2 and version[-1] == 0:
            version.pop()
        return f"{_AZUREUS.get(code, code)} {'.'.join(map(str, version))}"
    for prefix, name in _PLAIN.items():
        if peer_id.startswith(prefix) and b"-" in peer_id[len(prefix) - 1 : 10]:
            numbers = peer_id[len(prefix) :].split(b"--")[0].split(b"-")
            version_text = ".".join(n.decode("ascii") for n in numbers[:3] if n.isdigit() and len(n) < 4)
            return f"{name} {version_text}".rstrip()
    return clean_text(peer_id[:8]) or "unknown"
