"""One JSON-RPC node by web3.py: requests with retries, its complaints as this package's errors."""

import time
from collections.abc import Callable
from typing import TypeVar

from axon.chain.jsonrpc import NotThere, complaint
from axon.chain.limits import recursion_limit_kept
from axon.errors import ChainError, ChainUnreachable

with recursion_limit_kept():
    from web3 import HTTPProvider, Web3
    from web3.exceptions import TransactionNotFound, Web3Exception

__all__ = ["RpcNode"]

_T = TypeVar("_T")
_ATTEMPTS = 4
_FIRST_PAUSE = 0.25  # seconds; doubles
_TIMEOUT = 20.0  # seconds for one request


class RpcNode:
    """A node at an ``http://`` or ``https://`` address."""

    def __init__(self, url: str) -> None:
        self.url = url
        provider = HTTPProvider(url, request_kwargs={"timeout": _TIMEOUT}, exception_retry_configuration=None)
        self.web3 = Web3(provider)

    def read(self, request: Callable[[], _T]) -> _T:
        """Return what `request` does, which may run several times.

        Raises
        ------
        NotThere
            If the node does not know the transaction.
        ChainError
            If it refuses: a revert's reason, or its own words.
        ChainUnreachable
            If it is away for all attempts, or talks nonsense.
        """
        pause = _FIRST_PAUSE
        for attempt in range(_ATTEMPTS):
            try:
                return request()
            except TransactionNotFound:
                raise NotThere from None
            except Web3Exception as error:
                raise ChainError(complaint(error)) from error
            except (OSError, ValueError) as error:  # requests' errors are OSErrors; ValueError: not JSON
                if attempt + 1 == _ATTEMPTS:
                    raise ChainUnreachable(f"node {self.url}: {error}") from error
                time.sleep(pause)
                pause *= 2
            except (KeyError, TypeError, AttributeError, RecursionError) as error:
                what = f"{type(error).__name__}: {error}"
                raise ChainUnreachable(f"node {self.url}: answer not understood: {what}") from error
        raise AssertionError("unreachable")
