"""Pools from the chain: a child asks a node who joined, and writes what trackers need into a file.

The file is as `axon pool export` writes it, so that attestation reads it like any other, and a
tracker whose node is away goes on with what it knew. A question is empty; the answer is a byte,
`SAME`, `NEW` or `FAILED`, the last with text. Blocks can be abandoned: events of the
newest `_UNSURE` are read again each time.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from axon.errors import AxonError, ConfigError
from axon.ids import Account, NodeKey, format_account, parse_account
from axon.tracker.child import Child, serve_parent

if TYPE_CHECKING:
    from axon.chain.chain import Chain
    from axon.rewards.pools import PoolRules

__all__ = ["ChainPools", "PoolFollower", "main"]

SAME, NEW, FAILED = b"\0", b"\1", b"\2"
_UNSURE: Final = 64  # blocks


class ChainPools:
    """The parent's end.

    Parameters
    ----------
    url : str
        A JSON-RPC node.
    pools : sequence of Account
    torrents : sequence of Path
        Of these pools: the chain knows info-hashes only.
    file : Path
        Written when something changed.
    """

    def __init__(self, url: str, pools: Sequence[Account], torrents: Sequence[Path], file: Path) -> None:
        self.file = file
        asked = {"url": url, "pools": [format_account(pool) for pool in pools], "file": str(file)}
        asked["torrents"] = [str(path) for path in torrents]
        self._child = Child("axon.tracker.chainpools", [json.dumps(asked)])

    async def refresh(self) -> bool:
        """Look at the chain; return whether the file has changed.

        Raises
        ------
        ConfigError
            If the node does not answer, or a pool or its torrent is missing.
        StorageError
            If the child cannot be reached.
        """
        answer = await self._child.ask(b"")
        if answer[:1] == FAILED:
            raise ConfigError(answer[1:].decode())
        return answer == NEW

    async def aclose(self) -> None:
        """End the child."""
        await self._child.aclose()


class PoolFollower:
    """One pool; reads all of it once, and then what is new.

    Parameters
    ----------
    chain : Chain
    address : Account
    blocks : dict
        Blocks of 16 KiB by info-hash.

    Raises
    ------
    ChainError
        If there is no such pool.
    ConfigError
        If none of the torrents is the pool's.
    """

    def __init__(self, chain: "Chain", address: Account, blocks: dict[bytes, int]) -> None:
        from axon.chain.pool import Pool

        self._pool = Pool(chain, address)
        self._terms, self._rules_hash = self._pool.terms(), self._pool.rules_hash()
        if self._terms.info_hash not in blocks:
            raise ConfigError(
                f"pool {format_account(address)} is for {self._terms.info_hash.hex()}: give its --torrent"
            )
        self._blocks = blocks[self._terms.info_hash]
        self._events: dict[str, list[Any]] = {"Joined": [], "Left": []}
        self._sure = 0  # the first block whose events may still change
        self._joined: dict[tuple[int, bytes], int] = {}  # epoch, by index and transaction

    def refresh(self) -> "PoolRules":
        """Return the pool as it is now.

        Raises
        ------
        ChainError
            If the node does not answer; nothing is lost.
        """
        from axon.rewards.pools import PoolMember, PoolRules

        newest = self._pool.chain.block_number()
        found = {
            name: [event for event in known if event.block < self._sure]
            + self._pool.contract.events(name, since=self._sure)
            for name, known in self._events.items()
        }
        left = {event["index"] for event in found["Left"]}
        members = []
        for event in found["Joined"]:
            index, seen = int(event["index"]), (int(event["index"]), event.transaction)
            gone = None
            if seen not in self._joined or index in left:
                _, joined, after = self._pool.contract.call("member", index)
                self._joined[seen] = int(joined)
                gone = int(after) - 1 if index in left else None
            members.append(
                PoolMember(
                    event["account"], NodeKey(event["node_key"]), event["binding"], self._joined[seen], gone
                )
            )
        self._events, self._sure = found, max(self._sure, newest - _UNSURE)
        terms = self._terms
        return PoolRules(
            self._pool.chain.chain_id,
            self._pool.address,
            terms.info_hash,
            self._blocks,
            terms.start,
            terms.epoch_length,
            terms.c,
            terms.c_e,
            terms.lambda_,
            tuple((NodeKey(weight.node_key), weight.weight) for weight in terms.weights),
            tuple(members),
            self._rules_hash,
        )


def main() -> None:
    """Serve the parent until it hangs up."""
    asked = json.loads(sys.argv[1])
    file = Path(asked["file"])
    blocks: dict[bytes, int] = {}
    followers: dict[str, PoolFollower] = {}

    def look() -> bytes:
        from axon.chain.rpc import RpcChain

        if not blocks:
            blocks.update(_blocks([Path(path) for path in asked["torrents"]]))
        for pool in asked["pools"]:
            if pool not in followers:
                followers[pool] = PoolFollower(RpcChain(asked["url"]), parse_account(pool), blocks)
        rows = [follower.refresh().to_json() for follower in followers.values()]
        text = json.dumps({"pools": rows}, indent=1) + "\n"
        if file.exists() and file.read_text("utf-8") == text:
            return SAME
        partial = file.with_name(f".{file.name}.part")
        with partial.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(file)
        return NEW

    def answer(question: bytes) -> bytes:
        try:
            return look()
        except (AxonError, OSError, ImportError) as error:
            return FAILED + str(error).encode()

    serve_parent(answer)


def _blocks(torrents: Sequence[Path]) -> dict[bytes, int]:
    """Count the blocks of torrents, by the info-hashes of which a pool may have one."""
    from axon.bt import parse_torrent
    from axon.receipts import BLOCK_SIZE

    found = dict[bytes, int]()
    for path in torrents:
        torrent = parse_torrent(path.read_bytes())
        count = sum(-(-torrent.piece_size(k) // BLOCK_SIZE) for k in range(torrent.num_pieces))
        found |= dict.fromkeys((bytes(h[:20]) for h in torrent.handshake_hashes), count)
    return found


if __name__ == "__main__":
    main()
