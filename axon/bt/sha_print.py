"""Print `sha_avx512.py`: the code of `sha_ir.py` as machine code for Linux on x86-64 with AVX-512.

A compiler in the peer would cost each process a fifth of a second and 70 MB, so the code is printed once
and kept. `python -m axon.bt.sha_print` prints it anew, `--check` says whether the same would
come out (LLVM of the version in constraints.txt).
"""

import struct
import sys
from pathlib import Path
from typing import Any, Final

import llvmlite
import llvmlite.binding as llvm

from axon.bt.sha_ir import WORDS, kernel_source

__all__ = ["machine_code", "printed"]

_TARGET: Final = Path(__file__).with_name("sha_avx512.py")
_ALLOCATED, _PROGRAM, _RELOCATIONS, _SYMBOLS = 2, 1, 4, 2  # ELF: SHF_ALLOC; SHT_PROGBITS, _RELA, _SYMTAB
_RELATIVE: Final = (2, 4)  # R_X86_64_PC32, R_X86_64_PLT32


def machine_code(name: str) -> bytes:
    """Return code that runs wherever it is put: the function "sha1" or "sha256" at 0, its constants behind.

    Raises
    ------
    RuntimeError
        If LLVM refuses, or its code needs more than distances between its own parts.
    """
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple("x86_64-unknown-linux-gnu")
    machine = target.create_target_machine(
        cpu="x86-64-v4", features="-prefer-256-bit", opt=3, reloc="pic", codemodel="small"
    )
    module = llvm.parse_assembly(kernel_source(name))
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


def printed() -> str:
    """Return the module's text."""
    lines = [
        '"""Machine code of `sha_ir.py` for x86-64 with AVX-512, System V calls; printed by `sha_print.py`.',
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
        code = machine_code(name).hex()
        lines += [f'    "{name}": bytes.fromhex(', '        """', *_wrapped(code), '        """', "    ),"]
    return "\n".join([*lines, "}", ""])


def _wrapped(code: str) -> list[str]:
    return [f"        {code[at : at + 96]}" for at in range(0, len(code), 96)]


def main(arguments: list[str]) -> int:
    """Print, or with `--check` compare; 1 if it differs."""
    text = printed()
    if "--check" in arguments:
        return int(_TARGET.read_text() != text)
    _TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
