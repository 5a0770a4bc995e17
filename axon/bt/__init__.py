"""The BitTorrent protocol, pure: no sockets, no clock, no trio.

Bytes and `now` come in, events and bytes go out. Torrents: `parse_torrent`,
`parse_info`, `Magnet`, `create`. Each module says which BEP it follows.
"""

from axon.bt.bencode import decode, decode_prefix, encode
from axon.bt.layout import File
from axon.bt.magnet import Magnet
from axon.bt.metainfo import Metainfo, parse_info, parse_torrent

__all__ = [
    "File",
    "Magnet",
    "Metainfo",
    "decode",
    "decode_prefix",
    "encode",
    "parse_info",
    "parse_torrent",
]
