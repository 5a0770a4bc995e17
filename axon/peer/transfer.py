"""`download` and `seed`: a node, a reporter, signals, and the exit code."""

import signal

import trio

from axon.errors import AxonError, ConfigError
from axon.peer.config import Config
from axon.peer.node import Node
from axon.peer.progress import Reporter
from axon.peer.source import TorrentSource, select_files
from axon.peer.swarm import Swarm

__all__ = ["run_transfer"]


def run_transfer(config: Config) -> int:
    """Download or seed until done or told to stop; return the exit code."""
    sources = [
        TorrentSource.from_text(
            text,
            config.dir,
            config.peer,
            files=config.files,
            sequential=config.sequential,
            super_seed=config.super_seed,
            seeding=config.command == "seed",
        )
        for text in config.torrent
    ]
    for source in sources:
        if source.metainfo is not None:
            select_files(source.metainfo, source.files)  # complain about a wrong --files before the work
    return trio.run(_transfer, config, sources)


async def _transfer(config: Config, sources: list[TorrentSource]) -> int:
    reporter = Reporter(as_json=config.json, quiet=config.quiet)
    session = _Session(config, reporter)
    try:
        await session.run(sources)
    except* AxonError as group:
        raise _first(group) from None
    finally:
        reporter.close()
    return session.exit_code


def _first(group: BaseExceptionGroup[AxonError]) -> AxonError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AxonError)
    return error


class _Session:
    """One run of `download` or `seed`."""

    def __init__(self, config: Config, reporter: Reporter) -> None:
        self._config = config
        self._reporter = reporter
        self._stays = config.seed or config.command == "seed"
        self._complete = False
        self._stop = trio.Event()
        self._swarms: list[Swarm] = []
        self.exit_code = 0

    async def run(self, sources: list[TorrentSource]) -> None:
        node = Node(self._config, self._event)
        async with trio.open_nursery() as nursery:
            await nursery.start(self._signals)  # before anybody learns that we are there
            await nursery.start(node.run)
            swarms = self._swarms = [node.add(source) for source in sources]
            nursery.start_soon(self._progress, node)
            nursery.start_soon(self._wait_done, swarms)
            await self._stop.wait()
            await node.settle()
            nursery.cancel_scope.cancel()

    async def _wait_done(self, swarms: list[Swarm]) -> None:
        for swarm in swarms:
            await swarm.done.wait()
        self._complete = True
        if not self._stays:
            self._stop.set()

    def _event(self, event: str, facts: dict[str, object]) -> None:
        self._reporter.emit(event, facts)
        if event == "error":
            self.exit_code = 1
            # One of several torrents may fail while the others are still worth the stay.
            if not self._stays or all(swarm.paused for swarm in self._swarms):
                self._stop.set()

    async def _progress(self, node: Node) -> None:
        while True:
            await trio.sleep(1)
            self._reporter.progress(node.swarms, trio.current_time())

    async def _signals(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        # trio puts back what it finds, and an interpreter that ends puts SIGTERM back to killing unless it
        # is ignored: one that comes while we end must not change how.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        try:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
                task_status.started()
                async for number in received:
                    if self._stop.is_set():
                        raise ConfigError("interrupted twice")
                    self._reporter.emit("stopping", {})
                    finished = self._complete or self._config.command == "seed"
                    self.exit_code = 130 if number == signal.SIGINT else self.exit_code if finished else 1
                    self._stop.set()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
