"""A contract by its names: encode calls, decode answers and events (the contract ABI specification).

Structs come back as `Struct`, whose fields are attributes; addresses are
`Account` bytes both ways, never hexadecimal text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError, EncodingError

from axon.chain.artifacts import Artifact
from axon.chain.chain import Chain, Log, TxReceipt
from axon.errors import ChainError
from axon.ids import Account
from axon.merkle import keccak256

__all__ = ["Contract", "Event", "Struct", "deploy", "encode_call", "function_selector"]

Struct = SimpleNamespace
_Abi = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One decoded event; `values` by parameter name."""

    name: str
    values: dict[str, Any]
    block: int
    address: Account
    transaction: bytes  # hash

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


def deploy(chain: Chain, artifact: Artifact, *args: Any) -> "Contract":
    """Deploy a contract with its constructor's arguments and return it.

    Raises
    ------
    ChainError
        If the constructor reverts, or nothing was created.
    """
    inputs: list[_Abi] = next((e["inputs"] for e in artifact.abi if e["type"] == "constructor"), [])
    receipt = chain.transact(None, artifact.bytecode + _encode(inputs, args, artifact.name))
    if receipt.created is None:
        raise ChainError(f"{artifact.name}: deployment created nothing")
    return Contract(chain, artifact, receipt.created)


class Contract:
    """One deployed contract.

    Parameters
    ----------
    chain : Chain
        Where it lives, and who we are there.
    artifact : Artifact
        Its interface.
    address : Account
        Where it is.
    """

    def __init__(self, chain: Chain, artifact: Artifact, address: Account) -> None:
        self.chain = chain
        self.artifact = artifact
        self.address = address
        self._functions = {e["name"]: e for e in artifact.abi if e["type"] == "function"}
        self._events = {keccak256(_signature(e).encode()): e for e in artifact.abi if e["type"] == "event"}
        self._topics = {e["name"]: topic for topic, e in self._events.items()}

    def using(self, chain: Chain) -> "Contract":
        """Return the same contract seen through another `chain` (another account)."""
        return Contract(chain, self.artifact, self.address)

    def calldata(self, name: str, *args: Any) -> bytes:
        """Return selector and arguments."""
        return encode_call(self._functions[name], args)

    def arguments(self, name: str, calldata: bytes) -> list[Any]:
        """Read the arguments of a call to `name` back.

        Raises
        ------
        ChainError
            If the data is no such call.
        """
        entry = self._functions[name]
        if calldata[:4] != function_selector(entry):
            raise ChainError(f"{self.artifact.name}: {calldata[:4].hex()} is no call of {name}")
        try:
            values = abi_decode([_type(i) for i in entry["inputs"]], calldata[4:])
        except DecodingError as error:
            raise ChainError(f"{name}: calldata does not decode: {error}") from error
        return [_from_abi(i, v) for i, v in zip(entry["inputs"], values)]

    def call(self, name: str, *args: Any) -> Any:
        """Call a function without a transaction; several results come as a tuple.

        Raises
        ------
        ChainError
            If it reverts, or the answer does not decode (no such contract there).
        """
        outputs = self._functions[name]["outputs"]
        answer = self.chain.call(self.address, self.calldata(name, *args))
        try:
            values = abi_decode([_type(o) for o in outputs], answer)
        except DecodingError as error:
            raise ChainError(f"{name}: answer of {len(answer)} bytes does not decode: {error}") from error
        results = tuple(_from_abi(o, v) for o, v in zip(outputs, values))
        return results[0] if len(results) == 1 else results

    def transact(self, name: str, *args: Any) -> TxReceipt:
        """Call a function in a transaction and wait for it.

        Raises
        ------
        ChainError
            If it reverts, with the reason.
        """
        return self.chain.transact(self.address, self.calldata(name, *args))

    def events(self, name: str, since: int = 0, **indexed: Any) -> list[Event]:
        """Return past events, oldest first; `indexed` parameters narrow the search."""
        topic = self._topics[name]
        topics: list[bytes | None] = [topic]
        for parameter in self._events[topic]["inputs"]:
            if parameter["indexed"]:
                value = indexed.pop(parameter["name"], None)
                topics.append(None if value is None else _encode([parameter], [value], name))
        if indexed:
            raise TypeError(f"{name}: {', '.join(indexed)} not indexed")
        return self.decode(self.chain.logs(self.address, topics, since))

    def decode(self, logs: Sequence[Log]) -> list[Event]:
        """Decode those of `logs` that are events of this contract."""
        found = []
        for log in logs:
            entry = self._events.get(log.topics[0]) if log.topics else None
            if entry is None or log.address != self.address:
                continue
            values, topics = {}, iter(log.topics[1:])
            plain = [p for p in entry["inputs"] if not p["indexed"]]
            data = iter(abi_decode([_type(p) for p in plain], log.data))
            for parameter in entry["inputs"]:
                if parameter["indexed"]:
                    (value,) = abi_decode([_type(parameter)], next(topics))
                else:
                    value = next(data)
                values[parameter["name"]] = _from_abi(parameter, value)
            found.append(Event(entry["name"], values, log.block, log.address, log.transaction))
        return found


def function_selector(entry: _Abi) -> bytes:
    """Return the first four bytes of the keccak of the signature."""
    return keccak256(_signature(entry).encode())[:4]


def encode_call(entry: _Abi, args: Sequence[Any]) -> bytes:
    """Return the calldata of one function."""
    return function_selector(entry) + _encode(entry["inputs"], args, entry["name"])


def _encode(parameters: Sequence[_Abi], args: Sequence[Any], what: str) -> bytes:
    if len(parameters) != len(args):
        raise TypeError(f"{what}: {len(args)} arguments, want {len(parameters)}")
    values = [_to_abi(p, a) for p, a in zip(parameters, args)]
    try:
        return abi_encode([_type(p) for p in parameters], values)
    except EncodingError as error:
        raise ChainError(f"{what}: {error}") from error


def _signature(entry: _Abi) -> str:
    return f"{entry['name']}({','.join(_type(p) for p in entry['inputs'])})"


def _type(parameter: _Abi) -> str:
    kind: str = parameter["type"]
    if kind.startswith("tuple"):
        return "(" + ",".join(_type(c) for c in parameter["components"]) + ")" + kind[5:]
    return kind


def _to_abi(parameter: _Abi, value: Any) -> Any:
    """Turn attributes into tuples and accounts into what eth_abi takes."""
    kind: str = parameter["type"]
    if kind.endswith("]"):
        item = {**parameter, "type": kind[: kind.rindex("[")]}
        return [_to_abi(item, v) for v in value]
    if kind == "tuple":
        fields = (
            value
            if isinstance(value, tuple)
            else tuple(getattr(value, c["name"]) for c in parameter["components"])
        )
        return tuple(_to_abi(c, v) for c, v in zip(parameter["components"], fields))
    return value


def _from_abi(parameter: _Abi, value: Any) -> Any:
    kind: str = parameter["type"]
    if kind.endswith("]"):
        item = {**parameter, "type": kind[: kind.rindex("[")]}
        return [_from_abi(item, v) for v in value]
    if kind == "tuple":
        return Struct(**{c["name"]: _from_abi(c, v) for c, v in zip(parameter["components"], value)})
    if kind == "address":
        return Account(bytes.fromhex(value[2:]))
    return value
