"""How nodes write addresses, bytes and events, and the many shapes of their complaints."""

from collections.abc import Iterator
from typing import Any

from axon.chain.chain import Log, revert_reason
from axon.chain.limits import recursion_limit_kept
from axon.ids import Account

with recursion_limit_kept():
    from web3 import Web3
    from web3.exceptions import Web3Exception, Web3RPCError

__all__ = [
    "NonceTaken",
    "NotThere",
    "address_text",
    "complaint",
    "hex_text",
    "inner_calls",
    "is_nonce_taken",
    "read_log",
]


class NotThere(Exception):
    """The node does not know the transaction (yet)."""


class NonceTaken(Exception):
    """Another transaction of ours has that nonce."""


def is_nonce_taken(text: str) -> bool:
    """Tell whether a complaint is about a nonce that is used; there is no code for it."""
    text = text.lower()
    return "nonce too low" in text or "nonce is too low" in text or "replacement transaction" in text


def complaint(error: Web3Exception) -> str:
    """Dig the revert reason out of whatever shape the node wrapped it in, or return its words."""
    data = getattr(error, "data", None)
    if isinstance(error, Web3RPCError) and isinstance(error.rpc_response, dict):
        inner = error.rpc_response.get("error")
        if isinstance(inner, dict):
            data = inner.get("data", data)
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x") and len(data) > 2:
        try:
            return revert_reason(bytes.fromhex(data[2:]))
        except ValueError:
            pass  # no hexadecimal: the node's own words say more
    return str(getattr(error, "message", None) or error).removeprefix("execution reverted: ")


def address_text(account: Account) -> Any:
    """Write an address with its checksum (EIP-55)."""
    return Web3.to_checksum_address("0x" + account.hex())


def hex_text(data: bytes) -> Any:
    """Write bytes."""
    return "0x" + data.hex()


def read_log(entry: Any) -> Log:
    """Read one event."""
    return Log(
        Account(bytes.fromhex(entry["address"][2:])),
        tuple(bytes(topic) for topic in entry["topics"]),
        bytes(entry["data"]),
        int(entry["blockNumber"]),
        bytes(entry["transactionHash"]),
    )


def inner_calls(frame: Any, to: str) -> Iterator[bytes]:
    """Yield the data of the calls to an address that succeeded, from what ``callTracer`` tells."""
    for call in frame.get("calls", ()):
        if call.get("type") == "CALL" and str(call.get("to")).lower() == to and "error" not in call:
            yield bytes.fromhex(str(call["input"])[2:])
        yield from inner_calls(call, to)
