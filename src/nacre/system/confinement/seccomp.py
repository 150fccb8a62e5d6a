"""A seccomp filter as raw BPF: rules become a balanced tree, so a call passes after a few comparisons."""

from __future__ import annotations

import ctypes
import struct

from .linux import syscall
from .syscalls import Rule, Test

# 32-bit absolute load, and with a constant, jumps, return.
_LOAD, _AND, _JEQ, _JGE, _JA, _RET = 0x20, 0x54, 0x15, 0x35, 0x05, 0x06
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NR, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data
_AUDIT_ARCH_X86_64, _X32_BIT = 0xC000003E, 0x40000000
_SET_MODE_FILTER = 1

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def build(rules: dict[int, Rule]) -> list[Instruction]:
    """Compile rules to BPF, by the number of the call; one that is not there answers EPERM."""
    head: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_JEQ, 1, 0, _AUDIT_ARCH_X86_64),
        (_RET, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
        (_JGE, 0, 1, _X32_BIT),
        (_RET, 0, 0, _KILL),
    ]
    return head + _tree(_segments(rules))


def _segments(rules: dict[int, Rule]) -> list[tuple[int, Rule]]:
    """Runs of equal rules over the whole range of numbers: (first number, rule), in order."""
    segments = [(0, Rule())]
    for number in range(max(rules) + 2):
        rule = rules.get(number, Rule())
        if rule != segments[-1][1]:
            segments.append((number, rule))
    return segments


def _tree(segments: list[tuple[int, Rule]]) -> list[Instruction]:
    if len(segments) == 1:
        return _leaf(segments[0][1])
    middle = len(segments) // 2
    left, right = _tree(segments[:middle]), _tree(segments[middle:])
    # A conditional jump reaches 255 instructions, a plain one reaches all.
    return [(_JGE, 0, 1, segments[middle][0]), (_JA, 0, 0, len(left)), *left, *right]


def _leaf(rule: Rule) -> list[Instruction]:
    code: list[Instruction] = []
    answers = [(way, _ALLOW) for way in rule.ways] + [(way, _ERRNO) for way in rule.undone]  # no error: success
    for way, answer in answers:
        tests = [part for test in way for part in _halves(test)]
        body: list[Instruction] = []
        for position, (offset, mask, value) in enumerate(tests):
            left_over = 4 * (len(tests) - position - 1) + 1  # what stands between this jump and the next way
            body += [(_LOAD, 0, 0, offset), (_AND, 0, 0, mask), (_JEQ, 1, 0, value), (_JA, 0, 0, left_over)]
        code += [*body, (_RET, 0, 0, answer)]
    return [*code, (_RET, 0, 0, _ERRNO | rule.error)]


def _halves(test: Test) -> list[tuple[int, int, int]]:
    """A 64-bit test as one or two of 32 bits: (offset, mask, value)."""
    offset = _ARGS + 8 * test.index
    low = (offset, test.mask & 0xFFFFFFFF, test.value & 0xFFFFFFFF)
    high = (offset + 4, test.mask >> 32, test.value >> 32)
    return [low, high] if high[1] else [low]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


class Filter:
    """A compiled filter, ready to be installed in any number of processes."""

    def __init__(self, rules: dict[int, Rule]) -> None:
        self._code = b"".join(struct.pack("HBBI", *instruction) for instruction in build(rules))
        self._buffer = ctypes.create_string_buffer(self._code, len(self._code))

    def install(self) -> None:
        """Filter this process from now on, for good. Needs no_new_privs."""
        program = _Program(len(self._code) // 8, ctypes.cast(self._buffer, ctypes.c_void_p))
        syscall("seccomp", _SET_MODE_FILTER, 0, program)
