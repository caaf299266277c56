#!/usr/bin/env python3
"""Prints what the accesses of the CUDA kernels cost a device's memory, place by place in the code: no GPU is needed.

    traffic.py CUDA_TESTS [TEST ...]      CUDA_TESTS: built with MEMGEN_SANITIZE=races, e.g.
                                          artifacts/cmake/kernels-races/cuda/tests/cuda_tests

A row is a place: how many accesses warps make there, waves of shared memory (or sectors of 32 bytes in the tensors) that they
take, the least that their bytes would, and the line, first the innermost and then the one of the kernel. Rows that take no more
than the least are summed up. How it is counted stands in native/kernels/cuda/host/traffic.h.
"""
import collections
import os
import subprocess
import sys

TESTS = ["gated_delta_rule_traffic", "scalar_decay_traffic", "channel_decay_traffic", "channel_delta_rule_traffic", "generalized_delta_rule_traffic", "titans_traffic", "selective_scan_traffic"]
HELPERS = ("ptx.h", "numbers.h", "tile.h", "product.h", "emulator.h", "instructions.cpp", "emulator.cpp")


def lines_of(program, addresses):
    """file:line of an address, innermost first, of all functions that were inlined there."""
    found, at = collections.defaultdict(list), None
    # A return address is behind the call: the byte before it belongs to the call.
    said = subprocess.run(["addr2line", "-a", "-i", "-e", program], input="\n".join(hex(int(a, 16) - 1) for a in addresses), capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        if line.startswith("0x"):
            at = hex(int(line, 16) + 1)
        else:
            found[at].append(os.path.basename(line.split(" ")[0]))
    return found


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    program = arguments[0]
    for test in arguments[1:] or TESTS:
        run = subprocess.run([program, test], env={**os.environ, "MEMGEN_TRAFFIC": "1"}, capture_output=True, text=True)
        if run.returncode:
            sys.exit(run.stdout + run.stderr)
        rows = [line.split()[2:] for line in run.stdout.splitlines() if line.startswith("traffic ")]
        lines = lines_of(program, sorted({row[0] for row in rows}))
        total, worse = collections.defaultdict(lambda: [0, 0, 0]), collections.defaultdict(lambda: [0, 0, 0])
        for address, way, *numbers in rows:
            chain = lines[hex(int(address, 16))] or ["?"]
            kernel = next((line for line in chain if not line.startswith(HELPERS)), chain[-1])
            for table, key in ((total, way), (worse, (way, chain[0], kernel))):
                for i, number in enumerate(numbers):
                    table[key][i] += int(number)
        print(f"{test}\n  {'way':13} {'accesses':>9} {'taken':>9} {'least':>9}")
        for way, (accesses, taken, least) in sorted(total.items()):
            print(f"  {way:13} {accesses:9} {taken:9} {least:9}  all")
        for (way, place, kernel), (accesses, taken, least) in sorted(worse.items(), key=lambda row: row[1][2] - row[1][1]):
            if taken > least:
                print(f"  {way:13} {accesses:9} {taken:9} {least:9}  {place}{'' if kernel == place else ' < ' + kernel}")


if __name__ == "__main__":
    main(sys.argv[1:])
