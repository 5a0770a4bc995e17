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
    """Add ``--rpc``, ``--key-file``, ``--keystore``, ``--password-file``, ``--deployment`` and ``--json``."""
    parser.add_argument("--rpc", metavar="URL", help="JSON-RPC node (AXON_RPC)")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="secret key (AXON_KEY_FILE)")
    parser.add_argument("--keystore", type=Path, metavar="FILE", help="encrypted key (AXON_KEYSTORE)")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="of the keystore; else asked for")
    parser.add_argument("--deployment", type=Path, metavar="FILE", help="addresses (AXON_DEPLOYMENT)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def connect(args: argparse.Namespace) -> Chain:
    """Connect as the flags and ``AXON_*`` say; without a key the chain can be read only.

    Raises
    ------
    ConfigError
        If no node is named, or the key cannot be read.
    ChainError
        If the node does not answer.
    """
    from axon.chain.rpc import RpcChain
    from axon.chain.wallet import KeyWallet

    url = args.rpc or os.environ.get("AXON_RPC")
    if not url:
        raise ConfigError("no node: give --rpc URL or set AXON_RPC")
    key_file = args.key_file or _path("AXON_KEY_FILE")
    keystore = args.keystore or _path("AXON_KEYSTORE")
    if key_file:
        return RpcChain(url, KeyWallet.load(key_file))
    if keystore:
        return RpcChain(url, KeyWallet.load(keystore, _password(args.password_file)))
    return RpcChain(url)


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
