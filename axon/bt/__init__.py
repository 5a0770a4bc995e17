"""The BitTorrent protocol, pure: no sockets, no clock, no trio.

Bytes and `now` come in, events and bytes go out. Torrents: `parse_torrent`,
`parse_info`, `Magnet`, `Draft`. Each module says which BEP it follows.
"""

from axon.bt.assembly import Assembly, PieceBuffer
from axon.bt.bencode import decode, decode_prefix, encode
from axon.bt.bitfield import Bitfield
from axon.bt.choker import Candidate, Choker
from axon.bt.connection import PeerConnection, Timeouts
from axon.bt.create import CreateOptions, Draft, Source
from axon.bt.dht_node import DhtNode
from axon.bt.extended import ExtendedHandshake
from axon.bt.fast import allowed_fast_set
from axon.bt.handshake import Handshake
from axon.bt.layout import File
from axon.bt.magnet import Magnet
from axon.bt.metadata import MetadataDownload, MetadataUpload
from axon.bt.metainfo import Metainfo, parse_info, parse_torrent
from axon.bt.peer_id import client_name, make_peer_id
from axon.bt.pex import PexReceiver, PexSender
from axon.bt.picker import Picker
from axon.bt.priority import peer_priority
from axon.bt.superseed import SuperSeed

__all__ = [
    "Assembly",
    "Bitfield",
    "Candidate",
    "Choker",
    "CreateOptions",
    "DhtNode",
    "Draft",
    "ExtendedHandshake",
    "File",
    "Handshake",
    "Magnet",
    "MetadataDownload",
    "MetadataUpload",
    "Metainfo",
    "PeerConnection",
    "PexReceiver",
    "PexSender",
    "Picker",
    "PieceBuffer",
    "Source",
    "SuperSeed",
    "Timeouts",
    "allowed_fast_set",
    "client_name",
    "decode",
    "decode_prefix",
    "encode",
    "make_peer_id",
    "parse_info",
    "parse_torrent",
    "peer_priority",
]
