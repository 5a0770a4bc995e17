"""Nodes that reorder, forget, die half-way, lose answers or talk nonsense; programs that share a key."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from eth_account import Account as EthAccount

from axon.chain import node as node_module
from axon.chain import sending
from axon.chain.artifacts import artifact
from axon.chain.chain import TxReceipt
from axon.chain.contract import Contract, deploy
from axon.chain.rpc import RpcChain
from axon.chain.wallet import KeyWallet
from axon.errors import ChainError, ChainUnreachable
from axon.ids import Account
from tests.aggregator.node import Node, node
from tests.interop.anvil import MNEMONIC, rpc

pytestmark = pytest.mark.interop
EthAccount.enable_unaudited_hdwallet_features()
ADA = Account(b"\xad" * 20)


def wallet(number: int = 0) -> KeyWallet:
    """One of the node's funded accounts."""
    return KeyWallet(bytes(EthAccount.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}").key))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Node]:
    with node(tmp_path) as started:
        yield started


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_RESEND", 0.3)


@pytest.fixture
def token(running: Node) -> Contract:
    return deploy(RpcChain(running.url, wallet()), artifact("mocks/token"), "T", "T")


@contextmanager
def meanwhile(send: Callable[[], TxReceipt]) -> Iterator["Future[TxReceipt]"]:
    """Run a transaction in another thread, which waits for its blocks."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(send)


def soon(condition: Callable[[], bool]) -> None:
    """Wait for what another thread brings about."""
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("not within 20 s")


def balance(contract: Contract) -> int:
    return int(contract.call("balanceOf", ADA))


def mint(
    contract: Contract, url: str, confirmations: int = 0, timeout: float = 60.0, amount: int = 7
) -> TxReceipt:
    chain = RpcChain(url, wallet(), timeout, confirmations)
    return contract.using(chain).transact("mint", ADA, amount)


# --- chains that reorder -----------------------------------------------------


def test_a_transaction_counts_once_it_is_deep_enough(running: Node, token: Contract) -> None:
    with meanwhile(lambda: mint(token, running.url, confirmations=2)) as sent:
        soon(lambda: balance(token) == 7)
        assert not sent.done()
        rpc(running.url, "evm_mine")
        time.sleep(0.5)
        assert not sent.done()
        rpc(running.url, "evm_mine")
        receipt = sent.result(20)
    assert token.chain.block_number() == receipt.block + 2


def test_a_transaction_that_a_reorganisation_drops_is_handed_in_again(running: Node, token: Contract) -> None:
    with meanwhile(lambda: mint(token, running.url, confirmations=3)) as sent:
        soon(lambda: balance(token) == 7)
        first = token.chain.block_number()
        rpc(running.url, "anvil_reorg", 1, [])  # its block becomes an empty one
        assert balance(token) == 0
        soon(lambda: balance(token) == 7)
        assert not sent.done()
        for _ in range(3):
            rpc(running.url, "evm_mine")
        receipt = sent.result(20)
    assert receipt.block > first
    assert balance(token) == 7  # once


def test_what_is_not_deep_enough_in_time_says_so(running: Node, token: Contract) -> None:
    with pytest.raises(ChainError, match="without 5 blocks on top after 1 s; it may still be taken up"):
        mint(token, running.url, confirmations=5, timeout=1.0)


@contextmanager
def displaced(running: Node, token: Contract, to: str, data: str) -> Iterator["Future[TxReceipt]"]:
    """A mint of seven in the pool, and a dearer transaction of the same key and nonce in a block."""
    rpc(running.url, "evm_setAutomine", False)
    with meanwhile(lambda: mint(token, running.url)) as sent:
        account = "0x" + wallet().account.hex()
        soon(lambda: rpc(running.url, "txpool_status")["pending"] != "0x0")
        nonce = rpc(running.url, "eth_getTransactionCount", account, "latest")
        fields = {"from": account, "to": to, "data": data, "nonce": nonce}
        rpc(running.url, "eth_sendTransaction", fields | {"gas": "0x186a0", "gasPrice": hex(10**12)})
        rpc(running.url, "evm_mine")
        rpc(running.url, "evm_setAutomine", True)
        yield sent


def test_a_transaction_that_its_owner_cancels_is_not_sent_again(running: Node, token: Contract) -> None:
    with (
        displaced(running, token, "0x" + wallet().account.hex(), "0x") as sent,
        pytest.raises(ChainError, match=r"was displaced by 0x[0-9a-f]{64}, which cancels it"),
    ):
        sent.result(20)
    assert balance(token) == 0


def test_a_transaction_that_its_owner_speeds_up_is_not_sent_again(running: Node, token: Contract) -> None:
    again = "0x" + token.calldata("mint", ADA, 7).hex()
    with (
        displaced(running, token, "0x" + token.address.hex(), again) as sent,
        pytest.raises(ChainError, match=r"was displaced by 0x[0-9a-f]{64}, the same call"),
    ):
        sent.result(20)
    assert balance(token) == 7


def test_a_transaction_displaced_by_another_call_gets_the_next_nonce(running: Node, token: Contract) -> None:
    """As when two programs of one key count at the same moment, and the second one pays more."""
    other = "0x" + token.calldata("mint", ADA, 100).hex()
    with displaced(running, token, "0x" + token.address.hex(), other) as sent:
        sent.result(20)
    assert balance(token) == 107


# --- nodes that die ----------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_node_that_dies_with_the_transaction_and_comes_back_gets_it_again(
    running: Node, token: Contract, how: signal.Signals
) -> None:
    running.stop()  # with SIGKILL it would forget the token, too
    running.start()
    rpc(running.url, "evm_setAutomine", False)
    with meanwhile(lambda: mint(token, running.url)) as sent:
        soon(lambda: rpc(running.url, "txpool_status")["pending"] != "0x0")
        running.stop(how)
        time.sleep(1.0)
        assert not sent.done()
        running.start()  # it mines what it gets; what waited is forgotten
        assert sent.result(40).gas_used > 21_000
    assert balance(token) == 7


def test_a_node_that_stays_away_is_named_when_the_time_is_up(running: Node, token: Contract) -> None:
    rpc(running.url, "evm_setAutomine", False)
    with meanwhile(lambda: mint(token, running.url, timeout=2.0)) as sent:
        soon(lambda: rpc(running.url, "txpool_status")["pending"] != "0x0")
        running.stop(signal.SIGKILL)
        with pytest.raises(ChainUnreachable, match=f"node {running.url}"):
            sent.result(30)
    with pytest.raises(ChainUnreachable, match=f"node {running.url}"):
        token.call("balanceOf", ADA)
    with pytest.raises(ChainUnreachable):
        token.events("Transfer")


# --- reverts -----------------------------------------------------------------


def test_a_revert_in_a_block_gives_its_reason(
    running: Node, monkeypatch: pytest.MonkeyPatch, token: Contract
) -> None:
    """What an estimate did not see: somebody was quicker."""
    registry = deploy(token.chain, artifact("trackers"))
    monkeypatch.setattr(sending.Sender, "_estimate", lambda self, fields: 200_000)
    with pytest.raises(ChainError, match=r"transaction 0x[0-9a-f]{64} reverted: trackers: key is not 256"):
        registry.transact("register", b"x", b"y")


def test_a_revert_that_an_estimate_sees_costs_nothing(running: Node, token: Contract) -> None:
    registry = deploy(token.chain, artifact("trackers"))
    before = rpc(running.url, "eth_getTransactionCount", "0x" + wallet().account.hex(), "latest")
    with pytest.raises(ChainError, match="trackers: key is not 256 bytes"):
        registry.transact("register", b"x", b"y")
    assert rpc(running.url, "eth_getTransactionCount", "0x" + wallet().account.hex(), "latest") == before


# --- programs that share a key, and answers that are lost ---------------------


def test_two_programs_of_one_key_take_turns(running: Node, token: Contract) -> None:
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(mint, token, running.url, amount=1 << k) for k in range(12)]
        names = {future.result(60).transaction for future in sent}
    assert (len(names), balance(token)) == (12, (1 << 12) - 1)


class Proxy(ThreadingHTTPServer):
    """Hands requests on to a node; `spoil` may change the answer, or return None to lose it."""

    daemon_threads = True

    def __init__(self, node_port: int, spoil: Callable[[bytes, bytes], bytes | None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.node_port, self.spoil = node_port, spoil


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        question = self.rfile.read(int(self.headers["Content-Length"]))
        onward = HTTPConnection("127.0.0.1", self.server.node_port, timeout=10)
        onward.request("POST", "/", question, {"Content-Type": "application/json"})
        answer = self.server.spoil(question, onward.getresponse().read())
        onward.close()
        if answer is None:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def proxy(running: Node, spoil: Callable[[bytes, bytes], bytes | None]) -> Iterator[str]:
    server = Proxy(int(running.url.rsplit(":", 1)[1]), spoil)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_lost_answer_does_not_send_twice(running: Node, token: Contract) -> None:
    lost = 0

    def spoil(question: bytes, answer: bytes) -> bytes | None:
        nonlocal lost
        if b"eth_sendRawTransaction" in question and lost < 2:
            lost += 1
            return None
        return answer

    with proxy(running, spoil) as url:
        mint(token, url)
    assert (lost, balance(token)) == (2, 7)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"<html>busy</html>",
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b"{}",
        b'{"jsonrpc": "2.0", "id": 1, "result": {"number": 7}}',
        b'{"jsonrpc": "2.0", "id": 1, "result": "zz"}',
        b'{"jsonrpc": "2.0", "id": 1, "error": "busy"}',
        b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "m", "data": "0xzz"}}',
        b'{"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "m", "data": {"data": 5}}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_nonsense_is_a_chain_error(
    running: Node,
    token: Contract,
    nonsense: bytes,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(node_module, "_FIRST_PAUSE", 0.01)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)  # as in our programs: see `axon.chain.limits`; tests import what they like
    request.addfinalizer(lambda: sys.setrecursionlimit(limit))
    spoiled = False
    with proxy(running, lambda question, answer: nonsense if spoiled else answer) as url:
        chain = RpcChain(url, wallet())
        contract = token.using(chain)
        spoiled = True
        for act in (
            chain.now,
            chain.block_number,
            lambda: chain.has_code(ADA),
            lambda: contract.call("balanceOf", ADA),
            lambda: contract.transact("mint", ADA, 1),
            lambda: contract.events("Transfer"),
            lambda: chain.calldata(bytes(32)),
        ):
            with pytest.raises(ChainError) as caught:
                act()
            assert len(str(caught.value)) < 2_000
