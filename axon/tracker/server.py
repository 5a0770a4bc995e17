"""The tracker's process: binds, wires the parts together, and winds down."""

import contextlib
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import trio

from axon.errors import AxonError, ConfigError, StorageError
from axon.keys import NodeSecret
from axon.receiptlog import ReceiptLog
from axon.tracker.accounts import Accounts
from axon.tracker.app import App
from axon.tracker.attest_process import AttestProcess
from axon.tracker.chainpools import ChainPools
from axon.tracker.config import Config
from axon.tracker.connection_id import ConnectionIds
from axon.tracker.http import HttpLoop
from axon.tracker.http_stream import StreamTasks
from axon.tracker.intake import Intake, RateLimit
from axon.tracker.ledger import AnnounceQueue
from axon.tracker.lists import Lists
from axon.tracker.log import Faults, Log
from axon.tracker.logic import Counters, Policy, Tracker
from axon.tracker.pools import Pools
from axon.tracker.requests import response
from axon.tracker.sockets import Bound, names
from axon.tracker.swarmfile import SwarmFile
from axon.tracker.swarms import Store, Swarms
from axon.tracker.udp import serve_compiled, serve_plain
from axon.tracker.worker import UDP, Worker

if TYPE_CHECKING:
    from axon.tracker.engine import Engine

__all__ = ["Server"]

_DRAIN: Final = 5.0  # seconds that connections get to end


class Server:
    """One tracker. Make it, `await run()`; it ends on SIGTERM or SIGINT.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.log = Log(config.log, config.json)
        self._faults = Faults(self.log)
        self._clock: Callable[[], float] = time.monotonic
        self._bound = Bound()
        self._stop = trio.Event()
        policy = Policy(config.interval, config.jitter, config.min_interval, max_want=config.max_peers)
        ids = ConnectionIds(config.id_window)
        self._engine: Engine | None = None
        store, counters, fast = self._make_store()
        self.store: Store = store
        self.tracker = Tracker(store, policy, ids, counters)
        if fast is not None:
            self._engine = self._make_engine(fast)
        self.app = App(
            self.tracker, trusted=config.proxy, clock=self._clock, connections=lambda: len(self._loop)
        )
        self._worker: Worker | None = None
        self._attester: AttestProcess | None = None
        self._chain: ChainPools | None = None
        self._swarm_file: SwarmFile | None = None
        self._tls = self._make_tls()
        self._tasks = StreamTasks(self.app, self._clock, config.idle, self._faults)
        self._nursery: trio.Nursery | None = None
        self._loop = HttpLoop(
            self.app,
            self._clock,
            limit=config.connections,
            idle=config.idle,
            detach=self._detach,
            fault=self._faults,
            engine=self._engine,
        )

    async def run(self) -> None:
        """Serve until told to stop.

        Raises
        ------
        ConfigError
            If an address cannot be had, or a list, pool or key file read.
        StorageError
            If the data folder cannot be used.
        """
        try:
            self._open_data()
            self._reload()
            self._bound.open(self.config.http, self.config.udp)
            if self._swarm_file is not None:
                self._swarm_file.restore(self._clock())
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(self._signals)  # before anybody learns that we are there
                self._start(nursery)
                self._announce_ready()
                await self._stop.wait()
                await self._drain()
                nursery.cancel_scope.cancel()
        finally:
            self._loop.close()
            self._bound.close()
            for helper in (self._worker, self._attester, self._chain):
                if helper is not None:
                    await helper.aclose()
            if self.app.intake is not None:
                self.app.intake.log.close()

    # Setting up.

    def _make_store(self) -> tuple[Store, Any, Any]:
        seed = int.from_bytes(os.urandom(8), "big") | 1
        budget = self.config.memory << 20
        if not self.config.plain and sys.platform == "linux" and sys.maxsize > 1 << 32:
            try:
                from axon.tracker.engine import Engine
                from axon.tracker.faststore import FastSwarms
            except ImportError as error:
                self.log("warning", "plain", reason=f"no compiled kernels: {error}")
            else:
                fast = FastSwarms(seed, budget, secret=os.urandom(16))
                return fast, Engine.counters(fast), fast
        return Swarms(seed, budget), Counters(), None

    def _make_engine(self, store: Any) -> "Engine":
        from axon.tracker.engine import Engine

        return Engine(self.tracker, store)

    def _make_tls(self) -> ssl.SSLContext | None:
        if self.config.tls_cert is None or self.config.tls_key is None:
            return None
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.config.tls_cert, self.config.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"TLS certificate {self.config.tls_cert}: {error}") from error
        return context

    def _open_data(self) -> None:
        folder = self.config.data
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"data folder {folder}: {error}") from error
        self._swarm_file = SwarmFile(folder / "swarms", self.tracker, self.log)
        secret = NodeSecret.load_or_create(folder / "node.key")
        accounts = folder / "accounts.sqlite"
        Accounts(accounts).close()  # so that it can be read before the first announce
        self._worker = Worker(accounts, self.config.keep_days)
        files = [self.config.pools] if self.config.pools else []
        if self.config.rpc is not None:
            self._chain = ChainPools(
                self.config.rpc, self.config.pool, self.config.torrent, folder / "chain-pools.json"
            )
            files.append(self._chain.file)
        self._attester = AttestProcess(folder, files)
        self.app.accounts = accounts
        self.app.intake = Intake(
            ReceiptLog(folder / "receipts.sqlite"),
            Pools(),
            secret,
            self._worker,
            time.time,
            RateLimit(self.config.receipts_per_minute),
        )
        self.app.queue = AnnounceQueue(self._worker, lambda text: self.log("error", "accounts", reason=text))
        self.app.keys = {"node_key": secret.public.hex()}

    def _reload(self) -> None:
        lists = Lists.load(self.config.allow_list, self.config.deny_list)
        pools = self._load_pools()
        if self._engine is not None:
            self._engine.set_lists(lists)
        else:
            self.tracker.lists = lists
        gone = {row[0] for row in self.store.dump() if not lists.permits(row[0])}
        for info_hash in gone:
            self.store.remove(info_hash)
        if self.app.intake is not None:
            self.app.intake.pools = pools

    def _load_pools(self) -> Pools:
        pools = Pools.load(self.config.pools)
        if self._chain is not None:
            kept = Pools.load(self._chain.file) if self._chain.file.exists() else Pools({})
            wanted = {k: pool for k, pool in (kept.known or {}).items() if pool.address in self.config.pool}
            pools = pools.beside(Pools(wanted))
        return pools

    def _announce_ready(self) -> None:
        scheme = "https" if self._tls else "http"
        where = {scheme: names(self._bound.http), "udp": names(self._bound.udp)}
        if self.config.json:
            print(json.dumps(where), flush=True)
        else:
            print("ready " + " ".join(f"{k}={v}" for k, rows in where.items() for v in rows), flush=True)

    # Running.

    def _start(self, nursery: trio.Nursery) -> None:
        signed, faults = self._signed, self._faults
        if self._engine is not None:
            self._engine.warm()
        for sock in self._bound.udp:
            if self._engine is not None:
                nursery.start_soon(serve_compiled, sock, self._engine, self._clock, signed, faults)
            else:
                nursery.start_soon(serve_plain, sock, self.tracker, self._clock, signed, faults)
        if self._tls is not None:
            for sock in self._bound.http:
                listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
                nursery.start_soon(self._serve_tls, listener)
        else:
            for sock in self._bound.http:
                self._loop.listen(sock)
            nursery.start_soon(self._loop.run)
        nursery.start_soon(self._sweep)
        if self._attester is not None:
            nursery.start_soon(self._attest, self._attester)
        if self._chain is not None:
            nursery.start_soon(self._follow, self._chain)
        if self._swarm_file is not None:
            nursery.start_soon(self._snapshots, self._swarm_file)
        if self._worker is not None:
            nursery.start_soon(self._worker.start)
        if self.app.queue is not None:
            nursery.start_soon(self.app.queue.run)

    def _signed(self, datagram: bytes, address: bytes) -> None:
        if self.app.queue is not None:
            self.app.queue.put(UDP, datagram)

    def _detach(self, sock: socket.socket, address: bytes, data: bytes) -> None:
        """Give a connection a task of its own for its next request; then the loop has it back."""
        if self._nursery is None or not self._tasks.admit(address):
            with contextlib.suppress(OSError):
                sock.send(response(503, b"too many requests wait here\n", close=True))
            sock.close()
            return
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))

        def give_back(rest: bytes) -> None:
            again = socket.socket(fileno=stream.socket.detach())
            again.setblocking(False)
            self._loop.adopt(again, address, rest)

        self._nursery.start_soon(self._tasks.serve, stream, address, data, give_back)

    async def _serve_tls(self, listener: trio.SocketListener) -> None:
        assert self._tls is not None
        context = self._tls

        async def handle(stream: trio.SocketStream) -> None:
            try:
                host = stream.socket.getpeername()[0]
            except OSError:  # reset before its turn came
                await trio.aclose_forcefully(stream)
                return
            address = socket.inet_pton(stream.socket.family, host.partition("%")[0])
            if len(self._tasks) >= self.config.connections:
                await trio.aclose_forcefully(stream)
                return
            await self._tasks.serve(
                trio.SSLStream(stream, context, server_side=True, https_compatible=True), address
            )

        await trio.serve_listeners(handle, [listener])

    async def _sweep(self) -> None:
        """Visit every swarm about once in a tick; a round must not take longer than 60 ticks."""
        while True:
            pause = min(1.0, self.tracker.policy.tick / 4)
            await trio.sleep(pause)
            totals = self.store.totals()
            work = totals.torrents + totals.peers4 + totals.peers6
            budget = int(work * pause / self.tracker.policy.tick) + 1000
            tick = self.tracker.tick(self._clock())
            while budget > 0:  # in slices of about a millisecond
                self.store.sweep(tick, 20_000)
                budget -= 20_000
                await trio.lowlevel.checkpoint()

    async def _follow(self, chain: ChainPools) -> None:
        """Take up whoever joins; while the node is away, go on with what is known."""
        told = ""
        while True:
            try:
                changed = await chain.refresh()
                if changed and self.app.intake is not None:
                    self.app.intake.pools = await trio.to_thread.run_sync(self._load_pools)
                if changed or told:
                    self.log("info", "chain", pools=len(self.config.pool), changed=changed)
                told = ""
            except AxonError as error:
                if str(error) != told:
                    told = str(error)
                    self.log("warning", "chain", reason=told)
            await trio.sleep(self.config.poll)

    async def _attest(self, process: AttestProcess) -> None:
        """Attest once the BLS library is loaded, in a process beside the serving."""
        try:
            self.app.keys |= await process.keys()
        except AxonError as error:
            self.log("warning", "no-attestation", reason=str(error))
            return
        self.app.attester = process
        await process.run()

    async def _signals(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
            task_status.started()
            async for number in received:
                if number != signal.SIGHUP:
                    self.log("info", "stopping", signal=signal.Signals(number).name)
                    self._stop.set()
                    return
                try:
                    self._reload()
                    self.log("info", "reloaded")
                except ConfigError as error:  # keep what we have
                    self.log("error", "reload", reason=str(error))

    # Keeping.

    async def _snapshots(self, file: SwarmFile) -> None:
        while True:
            await trio.sleep(self.config.snapshot_every)
            await self._save(file)

    async def _save(self, file: SwarmFile) -> None:
        if not await file.save(self._clock()):
            self.app.healthy = False

    async def _drain(self) -> None:
        """Answer what was asked, put everything on disk."""
        if self._tls is None:
            self._loop.drain()
        with trio.move_on_after(_DRAIN):
            while len(self._loop) or len(self._tasks):
                await trio.sleep(0.05)
        if self.app.queue is not None:
            await self.app.queue.flush()
        if self._swarm_file is not None:
            await self._save(self._swarm_file)
