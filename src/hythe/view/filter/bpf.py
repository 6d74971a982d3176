"""Checks to a classic BPF program, for SO_ATTACH_FILTER.

Theory of operation. A program runs forward only: a comparison jumps by so many instructions if true, by so many if false.
So it is written from its end: when a comparison is put down, both places it can lead to are there, and a place is known
by its distance from the end. `and` compiles its right side first, and gives its beginning to the left as the way on; `not`
swaps the ways. A jump goes 255 instructions at most; where it would have to go further, an unconditional one is put between.
Instructions: McCanne and Jacobson, "The BSD Packet Filter", 1993; linux/filter.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from hythe.errors import UsageError
from hythe.view.filter.checks import (
    All,
    Any,
    Arithmetic,
    Chain,
    Check,
    Compare,
    HeaderLength,
    Load,
    Negation,
    Number,
    PacketLength,
    Value,
)

_LD, _LDX, _ST, _ALU, _JMP, _RET, _MISC = 0, 1, 2, 4, 5, 6, 7
_SIZES: Final[Mapping[int, int]] = MappingProxyType({4: 0x00, 2: 0x08, 1: 0x10})
_IMM, _ABS, _IND, _MEM, _LEN, _MSH = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0
_X: Final = 0x08
_JA: Final = 0x00
_JEQ: Final = 0x10
_JGT: Final = 0x20
_JGE: Final = 0x30
_TAX: Final = 0x00
_TXA: Final = 0x80
_JSET: Final = 0x40
_OPERATIONS: Final[Mapping[str, int]] = MappingProxyType(
    {"+": 0x00, "-": 0x10, "*": 0x20, "/": 0x30, "|": 0x40, "&": 0x50, "<<": 0x60, ">>": 0x70, "%": 0x90, "^": 0xA0}
)
#: sign -> (jump, whether its two ways are swapped).
_JUMPS: Final[Mapping[str, tuple[int, bool]]] = MappingProxyType(
    {
        "==": (_JEQ, False),
        "!=": (_JEQ, True),
        ">": (_JGT, False),
        "<=": (_JGT, True),
        ">=": (_JGE, False),
        "<": (_JGE, True),
    }
)
_JUMP_MAX: Final = 255
_CELLS: Final = 16
#: BPF_MAXINSNS of Linux.
PROGRAM_MAX: Final = 4_096
#: What a program returns for a packet to keep: more bytes than any has.
KEEP: Final = 262_144


class Instruction(NamedTuple):
    """`struct sock_filter`."""

    code: int
    yes: int
    no: int
    operand: int


def program(check: Check) -> list[Instruction]:
    """The program that returns `KEEP` for packets that pass, 0 for others.

    Raises `UsageError` if it would be longer than a kernel takes, or need more than its 16 cells of memory.
    """
    writer = _Writer()
    no = writer.put(Instruction(_RET, 0, 0, 0))
    yes = writer.put(Instruction(_RET, 0, 0, KEEP))
    start = writer.check(check, yes, no)
    if start != len(writer.backwards) - 1:
        writer.put(Instruction(_JMP | _JA, 0, 0, len(writer.backwards) - 1 - start))
    if len(writer.backwards) > PROGRAM_MAX:
        raise UsageError(f"the filter needs {len(writer.backwards)} instructions, a kernel takes {PROGRAM_MAX}")
    return writer.backwards[::-1]


class _Writer:
    """Places are numbers of instructions from the end of the program."""

    __slots__ = ("backwards",)

    def __init__(self) -> None:
        self.backwards: list[Instruction] = []

    def put(self, instruction: Instruction) -> int:
        """Put an instruction before all others; its place."""
        self.backwards.append(instruction)
        return len(self.backwards) - 1

    def check(self, check: Check, yes: int, no: int) -> int:
        """Write what leads to `yes` or to `no`; where it begins."""
        match check:
            case All():
                for part in reversed(check.parts):
                    yes = self.check(part, yes, no)
                return yes
            case Any():
                for part in reversed(check.parts):
                    no = self.check(part, yes, no)
                return no
            case Negation():
                return self.check(check.inner, no, yes)
            case Compare():
                return self._compare(check, yes, no)
            case Chain():
                raise UsageError("protochain follows headers in a loop, which a kernel's program cannot")

    def _compare(self, check: Compare, yes: int, no: int) -> int:
        jump, swapped = _JUMPS[check.sign]
        if swapped:
            yes, no = no, yes
        match check.left, check.right:
            case Arithmetic("&", tested, Number(bits)), Number(0) if jump == _JEQ:
                self._jump(_JSET, bits, no, yes)  # one instruction instead of two
                code = _value(tested, 0)
            case left, Number(number):
                self._jump(jump, number, yes, no)
                code = _value(left, 0)
            case _:
                self._jump(jump | _X, 0, yes, no)
                code = _both(check.left, check.right, 0)
        for instruction in reversed(code):
            self.put(instruction)
        return len(self.backwards) - 1

    def _jump(self, jump: int, operand: int, yes: int, no: int) -> None:
        yes, no = self._near(yes, 1), self._near(no, 0)
        here = len(self.backwards)
        self.put(Instruction(_JMP | jump, here - 1 - yes, here - 1 - no, operand))

    def _near(self, place: int, more: int) -> int:
        """The place itself if a jump from here reaches it, `more` instructions between included, or one that leads there."""
        here = len(self.backwards)
        if here - 1 - place + more <= _JUMP_MAX:
            return place
        return self.put(Instruction(_JMP | _JA, 0, 0, here - 1 - place))


def _value(value: Value, cell: int) -> list[Instruction]:
    """Instructions that leave a value in the accumulator, using memory from `cell` on."""
    match value:
        case Number():
            return [_plain(_LD | _IMM, value.value)]
        case PacketLength():
            return [_plain(_LD | _LEN)]
        case HeaderLength():
            return [_plain(_LDX | _SIZES[1] | _MSH, value.offset), _plain(_MISC | _TXA)]
        case Load(index=None):
            return [_plain(_LD | _SIZES[value.size] | _ABS, value.offset)]
        case Load(index=HeaderLength(at)):
            load = _plain(_LD | _SIZES[value.size] | _IND, value.offset)
            return [_plain(_LDX | _SIZES[1] | _MSH, at), load]
        case Load(index=index):
            assert index is not None
            load = _plain(_LD | _SIZES[value.size] | _IND, value.offset)
            return [*_value(index, cell), _plain(_MISC | _TAX), load]
        case Arithmetic(sign, left, Number(number)):
            return [*_value(left, cell), _plain(_ALU | _OPERATIONS[sign], number)]
        case Arithmetic(sign, left, right):
            return [*_both(left, right, cell), _plain(_ALU | _OPERATIONS[sign] | _X)]


def _both(left: Value, right: Value, cell: int) -> list[Instruction]:
    """Instructions that leave one value in the accumulator, the other in the index register."""
    if cell == _CELLS:
        raise UsageError("the filter's arithmetic is nested too deeply for a kernel")
    saved = [*_value(right, cell), _plain(_ST, cell)]
    return [*saved, *_value(left, cell + 1), _plain(_LDX | _MEM, cell)]


def _plain(code: int, operand: int = 0) -> Instruction:
    return Instruction(code, 0, 0, operand)
