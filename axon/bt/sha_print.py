"""Print `sha_avx512.py`, `sha_ni.py` and `sha_avx2.py`: hash functions as machine code for Linux on x86-64.

A compiler in the peer would cost each process a fifth of a second and 70 MB, so the code is printed once
and kept. `python -m axon.bt.sha_print` prints it anew, `--check` says whether the same would
come out (LLVM of the version in constraints.txt).
"""

import struct
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import llvmlite
import llvmlite.binding as llvm

from axon.bt import sha_ir, sha_ni_ir
from axon.bt.sha_text import WORDS

__all__ = ["TARGETS", "Target", "machine_code", "printed"]


class Target(NamedTuple):
    """A kind of CPU, and the code for it."""

    module: str  # where it is kept
    title: str
    source: Callable[[str], str]
    cpu: str  # as LLVM names it
    features: str


TARGETS: Final = (
    Target("sha_avx512", "AVX-512", partial(sha_ir.kernel_source, lanes=16), "x86-64-v4", "-prefer-256-bit"),
    Target("sha_ni", "SHA instructions", sha_ni_ir.kernel_source, "x86-64-v3", "+sha"),
    Target("sha_avx2", "AVX2", partial(sha_ir.kernel_source, lanes=8), "x86-64-v3", ""),
)
_ALLOCATED, _PROGRAM, _RELOCATIONS, _SYMBOLS = 2, 1, 4, 2  # ELF: SHF_ALLOC; SHT_PROGBITS, _RELA, _SYMTAB
_RELATIVE: Final = (2, 4)  # R_X86_64_PC32, R_X86_64_PLT32


def machine_code(target: Target, name: str) -> bytes:
    """Return code that runs wherever it is put: the function "sha1" or "sha256" at 0, its constants behind.

    Raises
    ------
    RuntimeError
        If LLVM refuses, or its code needs more than distances between its own parts.
    """
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("x86_64-unknown-linux-gnu").create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="small"
    )
    module = llvm.parse_assembly(target.source(name))
    module.verify()
    return _linked(machine.emit_object(module))


def _linked(elf: bytes) -> bytes:
    """Put an object file's sections behind each other, and the distances into the code."""
    start, size, count = struct.unpack_from("<Q", elf, 0x28)[0], *struct.unpack_from("<HH", elf, 0x3A)
    # name, type, flags, address, offset, size, link, info, alignment, entry size
    sections: list[Any] = [struct.unpack_from("<IIQQQQIIQQ", elf, start + size * k) for k in range(count)]
    image, places = bytearray(), dict[int, int]()
    order = sorted(range(count), key=lambda k: not sections[k][2] & 4)  # what is executable first
    for number in order:
        _, kind, flags, _, offset, length, _, _, alignment, _ = sections[number]
        if kind == _PROGRAM and flags & _ALLOCATED and length:
            image += bytes(-len(image) % max(1, alignment))
            places[number] = len(image)
            image += elf[offset : offset + length]
    symbols = next(section for section in sections if section[1] == _SYMBOLS)
    for _, kind, _, _, offset, length, _, into, _, _ in sections:
        if kind != _RELOCATIONS or into not in places:
            continue
        for at, info, addend in struct.iter_unpack("<QQq", elf[offset : offset + length]):
            _, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", elf, symbols[4] + 24 * (info >> 32))
            if info & 0xFFFFFFFF not in _RELATIVE or section not in places:
                raise RuntimeError(f"relocation {info & 0xFFFFFFFF} of section {section}")
            place = places[into] + at
            struct.pack_into("<i", image, place, places[section] + value + addend - place)
    return bytes(image)


def printed(target: Target) -> str:
    """Return the module's text."""
    lines = [
        f'"""Hash functions for x86-64 with {target.title}, System V calls; printed by `sha_print.py`.',
        "",
        f"By llvmlite {llvmlite.__version__}. Do not edit: a test prints it again and compares.",
        '"""',
        "",
        "from typing import Final",
        "",
        f"__all__ = {['CODE']!r}".replace("'", '"'),
        "",
        "CODE: Final = {",
    ]
    for name in WORDS:
        code = machine_code(target, name).hex()
        lines += [f'    "{name}": bytes.fromhex(', '        """', *_wrapped(code), '        """', "    ),"]
    return "\n".join([*lines, "}", ""])


def _wrapped(code: str) -> list[str]:
    return [f"        {code[at : at + 96]}" for at in range(0, len(code), 96)]


def main(arguments: list[str]) -> int:
    """Print, or with `--check` compare; 1 if it differs."""
    differ = False
    for target in TARGETS:
        place, text = Path(__file__).with_name(f"{target.module}.py"), printed(target)
        if "--check" in arguments:
            differ |= place.read_text() != text
        else:
            place.write_text(text)
    return int(differ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
