"""What is owed to and by every peer of a torrent: looked up in the log when a peer proves its key.

Tallies belong to node keys, so connections of one peer share them, and they
outlive connections. Only strangers with whom nothing was exchanged are forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from axon.bt.tally import Given, SentBlocks, Taken
from axon.ids import NodeKey
from axon.keys import NodeSecret
from axon.peer.receiptlink import Link
from axon.receiptlog import ReceiptLog
from axon.receipts import LedgerId, Scope

__all__ = ["Meeting", "Tallies"]


@dataclass(slots=True)
class Meeting:
    """Peers that proved their keys, and what the log says of them."""

    links: list[Link]
    unknown: set[LedgerId]
    given: dict[LedgerId, Given] = field(default_factory=dict)
    taken: dict[LedgerId, Taken] = field(default_factory=dict)


class Tallies:
    """The tallies of one torrent.

    Parameters
    ----------
    log : ReceiptLog
    secret : NodeSecret
    num_pieces : int
    piece_blocks : callable
        Blocks of piece `index`.

    Attributes
    ----------
    given, taken : dict
        By ledger, as downloader and as uploader.
    met : list of Link
        Proved their keys; to be looked up.
    """

    def __init__(
        self, log: ReceiptLog, secret: NodeSecret, num_pieces: int, piece_blocks: Callable[[int], int]
    ) -> None:
        self.given: dict[LedgerId, Given] = {}
        self.taken: dict[LedgerId, Taken] = {}
        self.met: list[Link] = []
        self._sent: dict[NodeKey, SentBlocks] = {}
        self._log, self._secret = log, secret
        self._num_pieces, self._piece_blocks = num_pieces, piece_blocks

    def collect(self, force: bool) -> Meeting | None:
        """Return whom we met since."""
        if not self.met:
            return None
        links, self.met = self.met, []
        ledgers = {link.channel.given_ledger for link in links} | {
            link.channel.taken_ledger for link in links
        }
        return Meeting(links, {one for one in ledgers if one not in self.given and one not in self.taken})

    def work(self, meeting: Meeting) -> None:
        """In the thread: read what the log says of them."""
        for ledger in meeting.unknown:
            last, acks = self._log.last(ledger), self._log.acks(ledger)
            if ledger.downloader == self._secret.public:
                meeting.given[ledger] = Given(ledger, last, acks)
            else:
                meeting.taken[ledger] = Taken(
                    ledger,
                    SentBlocks(),
                    self._num_pieces,
                    self._piece_blocks,
                    last,
                    acks,
                    resumed=self._met_before(ledger),
                )

    def _met_before(self, ledger: LedgerId) -> bool:
        """Tell whether an earlier process may have sent blocks in this ledger; from now on, one has."""
        key = ledger.scope.pool + ledger.scope.info_hash + ledger.downloader + ledger.uploader
        name = f"met/{ledger.scope.chain_id}/{ledger.scope.epoch}/{sha256(key).hexdigest()}"
        before = self._log.fact(name) is not None
        if not before:
            self._log.set_fact(name, b"")
        return before

    def act(self, meeting: Meeting) -> None:
        """Back in the event loop: remember it."""
        self.given.update(meeting.given)
        self.taken.update(meeting.taken)

    def open(self, link: Link, now: float) -> bool:
        """Join a link to its peer's tallies; False if they must be looked up again."""
        channel = link.channel
        peer = channel.peer
        given, taken = self.given.get(channel.given_ledger), self.taken.get(channel.taken_ledger)
        if peer is None or given is None or taken is None:
            self.met.append(link)  # another connection of the peer's took them along when it closed
            return False
        link.given, link.taken = given, taken
        given.stopped = None  # try again: it may know more than on the last connection
        shared = self._sent.setdefault(peer, channel.sent)
        if shared is not channel.sent:
            shared.merge(channel.sent)
            channel.sent = shared
        taken.sent = shared
        shared.forgive(now)
        return True

    def forget_stranger(self, link: Link) -> None:
        """A peer's last connection ended: if nothing was exchanged, nor is about to be, forget it."""
        peer, given, taken = link.channel.peer, link.given, link.taken
        if peer is None or given is None or taken is None:
            return
        if not (given.blocks or taken.blocks or taken.sent.owed):
            self.given.pop(given.ledger, None)
            self.taken.pop(taken.ledger, None)
            self._sent.pop(peer, None)

    def forget_all_but(self, *scopes: Scope) -> None:
        """Let the ledgers of other epochs go; receipts that are later than that count no more."""
        self.given = {one: given for one, given in self.given.items() if one.scope in scopes}
        for ledger in [one for one in self.taken if one.scope not in scopes]:
            del self.taken[ledger]  # in place: `Taking` looks it up
