#!/usr/bin/env bash
# pack.sh FOLDER: puts beside the published programs what they need on a machine without .NET, and packs it all.
set -euo pipefail
gpu=$1
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
cd -- "$root"

# The shared runtime of this machine's .NET, so that no feed has to have it.
host=$(dirname -- "$(readlink -f -- "$(command -v dotnet)")")
version=$(dotnet --list-runtimes | sed -n 's/^Microsoft\.NETCore\.App \(10\.[^ ]*\) .*/\1/p' | sort -V | tail -n 1)
mkdir -p -- "$gpu/dotnet/host/fxr" "$gpu/dotnet/shared/Microsoft.NETCore.App" "$gpu/native" "$gpu/data"
cp -- "$host/dotnet" "$gpu/dotnet/"
cp -r -- "$host/host/fxr/$version" "$gpu/dotnet/host/fxr/"
cp -r -- "$host/shared/Microsoft.NETCore.App/$version" "$gpu/dotnet/shared/Microsoft.NETCore.App/"

# Libraries are built there, against that machine's libtorch.
find "$gpu/bin" \( -name 'libLibTorchSharp.so' -o -name 'libMemoryGenKernels*.so' \) -delete
cp -r -- native/kernels native/libtorch "$gpu/native/"
cp -r -- tests/fixtures "$gpu/"
cp -- docs/*.md docs/architectures/*.md README.md "$gpu/data/" # something to train on
cp -- tests/gpu/check.sh "$gpu/"

# The kernels as ./build.sh cuda compiled them, for a machine without nvcc or with little time; never those of older sources.
native=artifacts/native/linux-x64 streams=artifacts/cmake/kernels/cuda/device/stream_tests
if [[ ! -f $native/libMemoryGenKernelsCuda.so || ! -f $streams ]]; then
    echo "  without compiled kernels, which that machine has to build; ./build.sh cuda makes them"
elif changed=$(find native/kernels/CMakeLists.txt native/kernels/{cuda,front,include} -type f -newer "$native/libMemoryGenKernelsCuda.so" -print -quit) && [[ -n $changed ]]; then
    echo "  without the compiled kernels: $changed has changed since; ./build.sh cuda compiles them again"
else
    mkdir -p -- "$gpu/packed"
    cp -- "$native"/libMemoryGenKernels*.so "$streams" "$gpu/packed/"
    echo "  with the compiled kernels: MEMORY_GEN_KERNELS=packed gpu/check.sh takes them"
fi
XZ_OPT=-T0 tar -C "$(dirname -- "$gpu")" -cJf "$(dirname -- "$gpu")/gpu.tar.xz" "$(basename -- "$gpu")"
