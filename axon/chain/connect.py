"""Flags and environment that say which chain, which account and which contracts."""

import argparse
import getpass
import os
import sys
from pathlib import Path

from axon.chain.chain import Chain
from axon.chain.deploy import Deployment
from axon.errors import ConfigError

__all__ = ["add_connection", "connect", "load_deployment"]


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add ``--rpc``, ``--confirmations``, ``--key-file``, ``--keystore``, ``--deployment`` and their like."""
    parser.add_argument("--rpc", metavar="URL", help="JSON-RPC node (AXON_RPC)")
    parser.add_argument(
        "--confirmations",
        metavar="N",
        help="blocks on top of a transaction before it counts; by default none (AXON_CONFIRMATIONS)",
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="secret key (AXON_KEY_FILE)")
    parser.add_argument("--keystore", type=Path, metavar="FILE", help="encrypted key (AXON_KEYSTORE)")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="of the keystore (AXON_PASSWORD_FILE)"
    )
    parser.add_argument("--deployment", type=Path, metavar="FILE", help="addresses (AXON_DEPLOYMENT)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def connect(args: argparse.Namespace) -> Chain:
    """Connect as the flags and ``AXON_*`` say; without a key the chain can be read only.

    Raises
    ------
    ConfigError
        If no node is named, a number is none, or the key cannot be read.
    ChainError
        If the node does not answer.
    """
    from axon.chain.rpc import RpcChain
    from axon.chain.wallet import KeyWallet

    url = args.rpc or os.environ.get("AXON_RPC")
    if not url:
        raise ConfigError("no node: give --rpc URL or set AXON_RPC")
    key_file, keystore = args.key_file, args.keystore
    if not key_file and not keystore:  # a flag of either kind beats the environment's other
        key_file, keystore = _path("AXON_KEY_FILE"), _path("AXON_KEYSTORE")
    if key_file and keystore:
        raise ConfigError(f"which key: {key_file} or {keystore}?")
    wallet = None
    if key_file:
        wallet = KeyWallet.load(key_file)
    elif keystore:
        wallet = KeyWallet.load(keystore, _password(args.password_file or _path("AXON_PASSWORD_FILE")))
    blocks = args.confirmations or os.environ.get("AXON_CONFIRMATIONS") or "0"
    if not (blocks.isascii() and blocks.isdigit()):
        raise ConfigError(f"confirmations: {blocks!r} is no number of blocks")
    return RpcChain(url, wallet, confirmations=int(blocks))


def load_deployment(args: argparse.Namespace, chain: Chain) -> Deployment:
    """Read where the contracts are.

    Raises
    ------
    ConfigError
        If no file is named, or it is about another chain.
    """
    path = args.deployment or _path("AXON_DEPLOYMENT")
    if path is None:
        raise ConfigError("no deployment: give --deployment FILE or set AXON_DEPLOYMENT")
    deployment = Deployment.load(path)
    if deployment.chain_id != chain.chain_id:
        raise ConfigError(f"{path} is about chain {deployment.chain_id}, the node's is {chain.chain_id}")
    return deployment


def _path(name: str) -> Path | None:
    text = os.environ.get(name)
    return Path(text) if text else None


def _password(path: Path | None) -> str:
    if path is not None:
        try:
            return path.read_text("utf-8").rstrip("\n")
        except OSError as error:
            raise ConfigError(f"password {path}: {error}") from error
    if not sys.stdin.isatty():
        raise ConfigError("keystore: give --password-file")
    return getpass.getpass("password of the keystore: ")
