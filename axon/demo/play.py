"""The play itself: from a file to paid peers, stage by stage."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trio

from axon.aggregator.epoch import EpochJob, Registered, Settled
from axon.aggregator.trackers import TrackerClient
from axon.bls import BlsSecret
from axon.chain.deploy import deploy_reward_verifier
from axon.chain.pool import Pool
from axon.demo.cast import cast
from axon.demo.chain import DemoChain
from axon.demo.liars import fake_receipts, hand_in
from axon.demo.swarm import Node, Torrent, make_file, make_torrent, run_swarm, running_trackers
from axon.ids import Epoch
from axon.receipts import Scope
from axon.rewards.pools import read_rules
from axon.stark import Options

__all__ = ["Outcome", "Player", "play"]

TRACKERS = 3
EPOCH = Epoch(0)


@dataclass(frozen=True, slots=True)
class Player:
    """What became of one peer."""

    name: str
    part: str
    served: int  # blocks acknowledged to it, as trackers hold them
    downloaded: int  # blocks that it acknowledged
    pretrust: float  # of the whole
    trust: float  # of the whole pre-trust
    share: float  # of the epoch's budget
    by_bytes: float  # what it would get if claimed bytes were paid
    paid: tuple[int, ...]  # base units of each token


@dataclass(slots=True)
class Outcome:
    """Everything that the report shows."""

    torrent: Torrent
    players: list[Player]
    symbols: list[str]
    budgets: list[int]  # base units of each token for this epoch
    settled: Settled
    gas: dict[str, list[int]]
    swarm_seconds: float
    seconds: dict[str, float] = field(default_factory=dict)  # by stage


Stage = Callable[[str, Callable[[], Awaitable[str]]], Awaitable[None]]


async def play(
    file: Path | None,
    size: int,
    peers: int,
    out: Path,
    make_chain: Callable[[], DemoChain],
    options: Options,
    stage: Stage,
) -> Outcome:
    """Run the demo in the folder `out`.

    Parameters
    ----------
    file : Path or None
        What to host; None makes a file of `size` random bytes.
    make_chain : callable
        Connects and deploys; blocks.
    stage : callable
        Runs one stage, given its title and a coroutine function that returns a line about it.
    """
    seed_role, roles, liar_roles = cast(peers)
    nodes = [Node.make(role, out) for role in roles]
    seed = Node.make(seed_role, out)
    liars = [Node.make(role, out) for role in liar_roles]
    everyone = [seed, *nodes, *liars]
    tracker_homes = [out / f"tracker-{k + 1}" for k in range(TRACKERS)]
    acts = _Acts(everyone, tracker_homes)

    async def torrent() -> str:
        path = file or out / "original" / "film.bin"
        if file is None:
            await trio.to_thread.run_sync(make_file, path, size)
        acts.torrent = await make_torrent(path, out)
        t = acts.torrent
        return f"{path.name}, {t.length / 2**20:.0f} MiB in {t.pieces} pieces of {t.piece_length >> 10} KiB"

    async def chain() -> str:
        acts.chain = make_chain()
        return acts.deploy(options)

    async def join() -> str:
        return acts.join()

    await stage("torrent", torrent)
    await stage("contracts", chain)
    await stage("join", join)
    assert acts.chain is not None and acts.torrent is not None and acts.pool is not None
    scope = Scope(acts.chain.chain.chain_id, acts.pool.address, acts.torrent.info_hash, EPOCH)
    swarm_seconds = 0.0
    settled: list[Settled] = []
    async with running_trackers(tracker_homes, acts.write_rules(out)) as urls:

        async def swarm() -> str:
            nonlocal swarm_seconds
            flags = ["--chain-id", str(scope.chain_id), "--pool", "0x" + scope.pool.hex(), "--epoch", "0"]
            flags += [part for url in urls for part in ("--announce", url + "/announce")]
            assert acts.torrent is not None
            swarm_seconds = await run_swarm(acts.torrent, seed, nodes, flags)
            moved = acts.torrent.length * len(nodes) / 1e6
            rate = f"{moved / swarm_seconds:.0f} MB/s together"
            return f"{len(nodes)} peers complete, every copy identical; {rate}"

        async def lie() -> str:
            assert acts.torrent is not None
            secrets = [liar.secret for liar in liars]
            fakes = fake_receipts(scope, secrets, acts.torrent.pieces, -(-acts.torrent.piece_length // 16384))
            taken = [hand_in(fakes, url) for url in urls]
            names = " and ".join(liar.role.name for liar in liars)
            return f"{names} sign for the whole torrent; each tracker takes {taken[0]} receipts"

        async def settle() -> str:
            assert acts.chain is not None
            acts.chain.end_epoch()
            done = await trio.to_thread.run_sync(acts.settle, out / "epoch-0", urls, options, stage_report)
            settled.append(done)
            took = {str(f["stage"]): float(str(f["seconds"])) for name, f in acts.reports if name == "time"}
            signed = sum(name == "attested" for name, _ in acts.reports)
            edges = len(done.epoch.collected.edges)
            return (
                f"{edges} edges; {signed} of {TRACKERS} trackers sign ({took['quorum']:.1f} s), proof of"
                f" {len(done.proof) / 1024:.0f} KiB ({took['proof']:.1f} s), {done.gas_used:,} gas"
                f" ({took['settled']:.1f} s)"
            )

        def stage_report(name: str, facts: Mapping[str, object]) -> None:
            acts.reports.append((name, facts))

        await stage("swarm", swarm)
        await stage("lie", lie)
        await stage("settle", settle)

    async def claim() -> str:
        return acts.claim()

    await stage("claim", claim)
    (out / "proof.bin").write_bytes(settled[0].proof)
    return Outcome(
        acts.torrent,
        acts.players(settled[0]),
        [token.symbol for token in acts.chain.tokens],
        [int(acts.pool.contract.call("budget", EPOCH, token.address)) for token in acts.chain.tokens],
        settled[0],
        acts.chain.gas.spent,
        swarm_seconds,
    )


class _Acts:
    """What the stages hand on."""

    def __init__(self, everyone: Sequence[Node], tracker_homes: Sequence[Path]) -> None:
        self.everyone = everyone
        self.torrent: Torrent | None = None
        self.chain: DemoChain | None = None
        self.pool: Pool | None = None
        self.reports: list[tuple[str, Mapping[str, object]]] = []
        self._index: dict[str, int] = {}
        self._homes = tracker_homes
        self._keys: list[BlsSecret] = []

    def deploy(self, options: Options) -> str:
        assert self.chain is not None and self.torrent is not None
        for home in self._homes:
            home.mkdir(parents=True, exist_ok=True)
        self._keys = [BlsSecret.load_or_create(home / "bls.key") for home in self._homes]
        self.chain.register_trackers(self._keys)
        weights = {node.secret.public: node.role.weight for node in self.everyone if node.role.weight}
        verifier = deploy_reward_verifier(self.chain.chain, options.name)
        self.pool = self.chain.open_pool(self.torrent.info_hash, self.torrent.blocks, weights, verifier)
        tokens = " and ".join(token.symbol for token in self.chain.tokens)
        address = self.pool.address.hex()[:10]
        return f"pool 0x{address}… holds 1000 {tokens}; {len(self._keys)} trackers registered"

    def join(self) -> str:
        assert self.chain is not None
        for node in self.everyone:
            self._index[node.role.name] = self.chain.join(node.role.name, node.secret)
        return f"{len(self._index)} accounts, each bound to a node key"

    def write_rules(self, out: Path) -> Path:
        assert self.pool is not None and self.torrent is not None
        path = out / "pools.json"
        path.write_text(
            json.dumps({"pools": [read_rules(self.pool, self.torrent.blocks).to_json()]}, indent=1)
        )
        return path

    def settle(
        self,
        home: Path,
        urls: Sequence[str],
        options: Options,
        report: Callable[[str, Mapping[str, object]], None],
    ) -> Settled:
        assert self.pool is not None and self.torrent is not None and self.chain is not None
        trackers = [
            Registered(number, TrackerClient(url), key.public)
            for number, url, key in zip(self.chain.tracker_ids, urls, self._keys, strict=True)
        ]
        job = EpochJob(home, self.pool, EPOCH, self.torrent.blocks, trackers, options, report)
        done = job.run()
        assert done is not None
        self.chain.gas.note("settle an epoch", done.gas_used)
        return done

    def claim(self) -> str:
        assert self.chain is not None
        for name, index in self._index.items():
            self.chain.claim(name, index, [EPOCH])
        return f"{len(self._index)} accounts paid"

    def players(self, settled: Settled) -> list[Player]:
        assert self.chain is not None
        epoch = settled.epoch
        edges = epoch.collected.edges
        total = float(edges.blocks.sum()) or 1.0
        players = []
        for node in self.everyone:
            at = self._index[node.role.name]
            served = int(edges.blocks[edges.dst == at].sum())
            players.append(
                Player(
                    node.role.name,
                    node.role.part,
                    served,
                    int(edges.blocks[edges.src == at].sum()),
                    int(epoch.pretrust[at]) / 2**36,
                    int(epoch.rewards.trust[at]) / 2**36,
                    int(epoch.rewards.shares[at]) / 2**48,
                    served / total,
                    tuple(self.chain.balance(token, node.role.name) for token in self.chain.tokens),
                )
            )
        return players
