"""Fuzz the parsers: ``python fuzz/run.py [TARGET]... [--seconds N] [--list] [--keep]``.

With atheris installed (``pip install atheris``, best in an environment made with
``--system-site-packages``) it is guided by coverage, otherwise by seeds and luck.
Every target gets a process of its own and its share of the time. An input
that does what it should not is written to ``fuzz/found/TARGET-HASH`` and printed; give
that file as an argument to run it again. With ``--keep`` the inputs that reached something new
are added to ``fuzz/corpus/TARGET.txt``, which the tests replay.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from fuzz.target import Target, check  # noqa: E402
from fuzz.targets import TARGETS  # noqa: E402

_FOUND = HERE / "found"
_MAX_KEPT = 16 * 1024  # bytes of one corpus file


def corpus(name: str) -> list[bytes]:
    """Return what earlier runs kept."""
    path = HERE / "corpus" / f"{name}.txt"
    return [b64decode(line) for line in path.read_text().split()] if path.exists() else []


def keep(name: str, inputs: Sequence[bytes]) -> None:
    """Write the smaller inputs to the corpus."""
    lines = list[str]()
    for data in sorted(set(inputs), key=len):
        if sum(map(len, lines)) + 4 * len(data) // 3 > _MAX_KEPT:
            break
        lines.append(b64encode(data).decode())
    if lines:
        (HERE / "corpus" / f"{name}.txt").write_text("\n".join(lines) + "\n")


def found(target: Target, data: bytes) -> None:
    """Write down an input that did what it should not."""
    _FOUND.mkdir(exist_ok=True)
    path = _FOUND / f"{target.name}-{sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    print(f"{target.name}: {len(data)} bytes, see {path.relative_to(HERE.parent)}: {data[:200]!r}")


def blind(target: Target, seconds: float) -> int:
    """Fuzz without atheris."""
    from fuzz.mutate import fuzz

    run = target.make()
    seeds = [*target.seeds(), *corpus(target.name)]
    try:
        count = fuzz(
            lambda data: check(run, data), seeds, target.words, seconds=seconds, max_input=target.max_input
        )
    except Exception as error:
        traceback.print_exc()
        found(target, getattr(error, "data", b""))
        return 1
    print(f"{target.name}: {count} inputs in {seconds:.0f} s, nothing found")
    return 0


def guided(target: Target, seconds: float, folder: Path) -> int:
    """Fuzz with atheris, which ends this process."""
    import atheris

    with atheris.instrument_imports(include=list(target.instrument)):
        run = target.make()  # loads what is fuzzed, so it comes before the seeds
    for k, data in enumerate([*target.seeds(), *corpus(target.name)]):
        (folder / f"seed-{k}").write_bytes(data)
    words = folder.with_suffix(".dict")
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words if len(word) <= 64))

    def feed(data: bytes) -> None:
        try:
            check(run, data)
        except BaseException:
            found(target, data)
            raise

    arguments = [
        sys.argv[0],
        str(folder),
        f"-max_total_time={seconds:.0f}",
        f"-max_len={target.max_input}",
        f"-artifact_prefix={folder}.crash-",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-reload=0",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    if target.words:
        arguments.append(f"-dict={words}")
    atheris.Setup(arguments, feed)
    atheris.Fuzz()
    return 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Fuzz the parsers.")
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="names, or files of fuzz/found to run again"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--list", action="store_true", help="name the targets")
    parser.add_argument("--keep", action="store_true", help="add what reached something new to the corpus")
    parser.add_argument("--blind", action="store_true", help="without atheris, even if it is there")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)  # in this process, with this folder
    options = parser.parse_args(argv)
    if options.list:
        print("\n".join(TARGETS))
        return 0
    for path in [Path(name) for name in options.targets if "/" in name]:
        target = TARGETS[path.name.rpartition("-")[0]]
        check(target.make(), path.read_bytes())
        print(f"{path.name}: nothing wrong")
    names = [name for name in options.targets if "/" not in name] or (
        [] if options.targets else list(TARGETS)
    )
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; --list names them")
    if options.here:
        target = TARGETS[names[0]]
        if options.blind or not target.instrument:
            return blind(target, options.seconds)
        return guided(target, options.seconds, options.here)
    try:
        import atheris  # noqa: F401
    except ImportError:
        options.blind = True
        print("atheris is not installed: fuzzing without coverage")
    failed = list[str]()
    for name in names:
        share = max(1.0, options.seconds / len(names))
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"axon-fuzz-{name}-") as scratch:
            folder = Path(scratch) / "corpus"
            folder.mkdir()
            command = [sys.executable, __file__, name, f"--here={folder}", f"--seconds={share}"]
            code = subprocess.call([*command, *["--blind"][: options.blind]])
            if options.keep:
                keep(name, [path.read_bytes() for path in folder.iterdir()])
        print(
            f"{name}: {f'exit {code}' if code else 'ok'} after {time.monotonic() - start:.0f} s", flush=True
        )
        if code:
            failed.append(name)
    print(f"{len(names) - len(failed)} of {len(names)} targets without findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
