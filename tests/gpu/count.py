#!/usr/bin/env python3
"""Counts the instructions of compiled CUDA kernels, loop by loop: no GPU is needed.

    count.py OBJECT [PART_OF_A_NAME ...] [LOOP=N ...]      OBJECT: a library, an object or a cubin

A row is a loop, its inner loops indented below it; its numbers are instructions of one warp in one round. An inner loop counts
as many times as LOOP=N says, LOOP being the address in its row, and once where nothing is said. Where a branch leads to code
for rows that are ragged or not aligned (bfloat16 one by one to or from global memory, guarded stores, calls), the other way is
taken; where both ways are plain, both are counted. What one warp alone does is counted too: the numbers are those of the busiest
warp, from above. "waves" are those of shared memory, 128 bytes each, without conflicts, which the emulator counts
(MEMGEN_TRAFFIC, native/kernels/cuda/host/traffic.h). cuobjdump comes from the PATH or CUDA_HOME.
"""
import collections
import os
import re
import subprocess
import sys

CLASSES = [
    ("HMMA", r"HMMA"),
    ("LDSM", r"LDSM"),
    ("LDS", r"LDS"),
    ("STS", r"STS"),
    ("copy", r"LDGSTS"),
    ("LDG", r"LDG|LD\b"),
    ("STG", r"STG|ST\b"),
    ("spill", r"LDL|STL"),
    ("SHFL", r"SHFL"),
    ("MUFU", r"MUFU"),
    ("FP32", r"FADD|FMUL|FFMA|FSETP|FSEL|FMNMX|FRND|FCHK|F2F|F2FP|HADD2|HFMA2|HMUL2|PRMT"),
    ("BAR", r"BAR"),
    ("branch", r"BRA|BSSY|BSYNC|EXIT|CALL|RET|BREAK|WARPSYNC|BMOV"),
]
OTHER = "int"  # integers, addresses, moves, waits
WIDTHS = {"32": 4, "64": 8, "128": 16, "U16": 2, "S16": 2, "U8": 1, "S8": 1}


def tool(name):
    home = os.environ.get("CUDA_HOME")
    return os.path.join(home, "bin", name) if home and os.path.exists(os.path.join(home, "bin", name)) else name


def class_of(opcode):
    for name, pattern in CLASSES:
        if re.match(pattern, opcode):
            return name
    return OTHER


def width_of(opcode):
    for part in opcode.split(".")[1:]:
        if part in WIDTHS:
            return WIDTHS[part]
    return 4


class Instruction:
    def __init__(self, address, text):
        self.address = address
        match = re.match(r"(?:@(!?U?P\w+)\s+)?(\S+)\s*(.*)", text)
        self.guard, self.opcode, self.operands = match.group(1), match.group(2), match.group(3)
        self.kind = class_of(self.opcode)
        target = re.search(r"0x([0-9a-f]+)\s*$", self.operands) if self.opcode.startswith("BRA") else None
        self.target = int(target.group(1), 16) if target else None


def functions(path):
    usage, name = {}, None
    for line in subprocess.run([tool("cuobjdump"), "-res-usage", path], capture_output=True, text=True, check=True).stdout.splitlines():
        if found := re.search(r"Function (\S+):", line):
            name = found.group(1)
        elif found := re.search(r"REG:(\d+) STACK:(\d+)", line):
            usage[name] = (int(found.group(1)), int(found.group(2)))
    code = collections.OrderedDict()
    for line in subprocess.run([tool("cuobjdump"), "-sass", path], capture_output=True, text=True, check=True).stdout.splitlines():
        if found := re.search(r"Function : (\S+)", line):
            name = found.group(1)
            code[name] = []
        elif found := re.match(r"\s+/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;", line):
            code[name].append(Instruction(int(found.group(1), 16), found.group(2)))
    return [(name, instructions, usage.get(name, (0, 0))) for name, instructions in code.items()]


def blocks_of(code):
    """Basic blocks and the blocks that may follow each. Branches back are left out, so that there is no circle."""
    leaders = {code[0].address} | {i.target for i in code if i.target is not None}
    blocks = []
    for i in code:
        if not blocks or i.address in leaders or blocks[-1][-1].opcode.startswith(("BRA", "EXIT", "RET")):
            blocks.append([])
        blocks[-1].append(i)
    at = {block[0].address: n for n, block in enumerate(blocks)}
    follow = []
    for n, block in enumerate(blocks):
        last = block[-1]
        conditional = last.guard or re.match(r"!?U?P\d", last.operands)
        after = [n + 1] if n + 1 < len(blocks) and (conditional or not last.opcode.startswith(("BRA", "EXIT", "RET"))) else []
        if last.opcode.startswith("BRA") and last.target in at and last.target > last.address:
            after.append(at[last.target])
        follow.append(after)
    return blocks, follow


def joins_of(follow):
    """The block where the ways out of a block meet again: its immediate postdominator, len(follow) for the end."""
    end = len(follow)
    join = [None] * end + [end]
    for n in range(end - 1, -1, -1):
        ways = follow[n] or [end]
        meet = ways[0]
        for other in ways[1:]:
            while meet != other:
                if meet < other:
                    meet = join[meet]
                else:
                    other = join[other]
        join[n] = meet
    return join


def taken_addresses(code):
    """Of the blocks on the ways that are taken."""
    blocks, follow = blocks_of(code)
    join = joins_of(follow)
    multiplies = any(i.kind == "HMMA" for i in code)

    def is_slow(block):
        single = [i for i in block if i.kind in ("LDG", "STG") and ("U16" in i.opcode or (i.kind == "STG" and i.guard))]
        return any(i.opcode.startswith("CALL") for i in block) or (multiplies and single) or (not multiplies and sum(1 for i in block if i.kind == "LDG" and i.guard) > 4)

    def is_quick(block):  # stores of whole rows, beside which there may be a way for others
        return sum(1 for i in block if i.kind == "STG" and "U16" not in i.opcode and not i.guard) >= 4

    slow = [bool(is_slow(block)) for block in blocks]

    work = ("HMMA", "BAR", "copy") if multiplies else ("MUFU", "BAR")

    def is_left_out(first, end):
        """Whether a way has slow blocks and neither work nor quick ones before it meets the other one."""
        seen, open_blocks, found = set(), [first], False
        while open_blocks:
            n = open_blocks.pop()
            if n == end or n in seen or n >= len(blocks):
                continue
            if any(i.kind in work for i in blocks[n]) or is_quick(blocks[n]):
                return False
            found = found or slow[n]
            seen.add(n)
            open_blocks += follow[n]
        return found

    seen, open_blocks = set(), [0]
    while open_blocks:
        n = open_blocks.pop()
        if n in seen or n >= len(blocks):
            continue
        seen.add(n)
        ways = follow[n]
        if len(ways) == 2:
            quick = [w for w in ways if not is_left_out(w, join[n])]
            ways = quick if len(quick) == 1 else ways
        open_blocks += ways
    return {i.address for n in seen for i in blocks[n]}


class Loop:
    def __init__(self, first, last, rounds):
        self.first, self.last, self.rounds, self.inner = first, last, rounds, []


def loops_of(code, given):
    found = {}
    end = max((i.address for i in code if i.opcode.startswith("EXIT")), default=0)  # behind it is what was moved out of the way
    for i in code:
        if i.target is not None and i.target < i.address <= end:
            if i.target not in found or found[i.target].last < i.address:
                found[i.target] = Loop(i.target, i.address, given.get(i.target))
    roots, open_loops = [], []
    for loop in sorted(found.values(), key=lambda l: (l.first, -l.last)):
        while open_loops and open_loops[-1].last < loop.last:
            open_loops.pop()
        (open_loops[-1].inner if open_loops else roots).append(loop)
        open_loops.append(loop)
    return roots


def count(code, taken, loop):
    total = collections.Counter()
    for i in code:
        if not loop.first <= i.address <= loop.last or i.address not in taken or any(l.first <= i.address <= l.last for l in loop.inner):
            continue
        total[i.kind] += 1
        total["all"] += 1
        if i.kind in ("LDS", "STS", "LDSM"):  # wavefronts of 128 bytes where every lane has its own address and none conflicts
            total["waves"] += 4 if i.kind == "LDSM" else max(1, width_of(i.opcode) // 4)
    for inner in loop.inner:
        for kind, n in count(code, taken, inner).items():
            total[kind] += n * (inner.rounds or 1)
    return total


def show(code, taken, loops, depth=0):
    for loop in loops:
        total = count(code, taken, loop)
        if not depth and total["all"] < 60:
            continue
        columns = " ".join(f"{total[name]:6}" for name in [c for c, _ in CLASSES] + [OTHER, "all", "waves"])
        print(f"  {'  ' * depth + f'{loop.first:#x}':14} {str(loop.rounds or 1):>6} {columns}")
        show(code, taken, loop.inner, depth + 1)


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    given = {int(a.split("=")[0], 16): int(a.split("=")[1]) for a in arguments[1:] if "=" in a}
    names = [a for a in arguments[1:] if "=" not in a]
    for name, code, (registers, stack) in functions(arguments[0]):
        if not code or (names and not any(n in name for n in names)):
            continue
        plain = subprocess.run(["c++filt", name], capture_output=True, text=True).stdout.strip() or name
        plain = re.sub(r"\(anonymous namespace\)::|memgen::|^void |\(.*\)$", "", re.sub(r"\(memgen.*", "", plain))
        taken = taken_addresses(code)
        print(f"{plain}: {registers} registers, {stack} bytes of stack, {len(code)} instructions")
        print(f"  {'loop':14} rounds " + " ".join(f"{c:>6}" for c in [c for c, _ in CLASSES] + [OTHER, "all", "waves"]))
        show(code, taken, loops_of(code, given))


if __name__ == "__main__":
    main(sys.argv[1:])
