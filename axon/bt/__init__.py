"""The BitTorrent protocol, pure: no sockets, no clock, no trio.

Bytes and `now` come in, events and bytes go out. Torrents: `parse_torrent`,
`parse_info`, `Magnet`, `create`. Each module says which BEP it follows.
"""

from axon.bt.assembly import Assembly, PieceBuffer
from axon.bt.bencode import decode, decode_prefix, encode
from axon.bt.choker import Candidate, Choker
from axon.bt.layout import File
from axon.bt.magnet import Magnet
from axon.bt.metainfo import Metainfo, parse_info, parse_torrent
from axon.bt.picker import Picker
from axon.bt.superseed import SuperSeed

__all__ = [
    "Assembly",
    "Candidate",
    "Choker",
    "File",
    "Magnet",
    "Metainfo",
    "Picker",
    "PieceBuffer",
    "SuperSeed",
    "decode",
    "decode_prefix",
    "encode",
    "parse_info",
    "parse_torrent",
]
