#!/usr/bin/env bash
# Builds the native libraries against the torch of this machine's Python, checks them on its GPU, times them and trains a
# model. Needs nvcc 11.8 or newer, cmake with ninja or make, g++ and a Python with a CUDA build of torch; neither .NET nor a network.
#
#   MEMORY_GEN_PYTHON   the Python to ask, instead of python3
#   MEMORY_GEN_KERNELS  packed: takes the kernels as they were compiled where the archive was made, and needs no nvcc
#   MEMORY_GEN_SECONDS  where time is short: a step that would begin later than this is left out, and the first tell most
#   MEMORY_GEN_MINUTES  minutes of training (1)
#
# What every step said is in log/; the last line counts steps. Exits 1 when one failed, 2 where there is nothing to run on.
set -uo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
cd -- "$root"
python=${MEMORY_GEN_PYTHON:-python3}
passed=0 failed=0 left=0
mkdir -p log

cannot() { printf 'check.sh: %s\n' "$*" >&2; exit $((failed > 0 ? 1 : 2)); }

# step NAME COMMAND...: runs it, keeps what it said, shows the end of it when it failed.
step() {
    local name=$1 start=$SECONDS
    shift
    if ((SECONDS >= ${MEMORY_GEN_SECONDS:-SECONDS + 1})); then
        left=$((left + 1))
        printf '%-28s left out\n' "$name"
        return
    fi
    if "$@" >"log/$name.txt" 2>&1; then
        passed=$((passed + 1))
        printf '%-28s ok      %4d s   %s\n' "$name" $((SECONDS - start)) "$(tail -n 1 "log/$name.txt")"
    else
        failed=$((failed + 1))
        printf '%-28s FAILED  %4d s   log/%s.txt\n' "$name" $((SECONDS - start)) "$name"
        tail -n 15 "log/$name.txt" | sed 's/^/    /'
    fi
}

"$python" -c 'import torch' 2>/dev/null || cannot "$python has no torch; name one that has in MEMORY_GEN_PYTHON."
LIBTORCH=$("$python" -c 'import os, torch; print(os.path.dirname(torch.__file__))')
export LIBTORCH MEMORY_GEN_PYTHON=$python MEMORY_GEN_NATIVE=$root/artifacts/native/linux-x64
export DOTNET_ROOT=$root/dotnet DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
export LD_LIBRARY_PATH=$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
for home in "${CUDA_HOME:-}" /usr/local/cuda; do
    [[ -z $home || ! -x $home/bin/nvcc ]] || export PATH=$home/bin:$PATH
done
run() { local name=$1; shift; "$root/dotnet/dotnet" "$root/bin/$name/$name.dll" "$@"; }

! command -v ninja >/dev/null || export CMAKE_GENERATOR=Ninja # CMake's own choice is make, which may not be there
build() { # NAME TARGETS OPTIONS...
    cmake -S "native/$1" -B "build/$1" -DCMAKE_BUILD_TYPE=Release -DLIBTORCH="$LIBTORCH" "${@:3}" && cmake --build "build/$1" --parallel "$(nproc)" --target $2
}
packed=$([[ ${MEMORY_GEN_KERNELS:-} == packed ]] && echo yes || echo no)
[[ $packed == no || -f packed/libMemoryGenKernelsCuda.so ]] || cannot "no kernels are packed; ./build.sh cuda compiles them, and --pack behind it takes them along."
device=$("$python" -c 'import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else "")')
command -v nvcc >/dev/null && cuda=ON || cuda=OFF
streams=build/kernels/cuda/device/stream_tests # two streams, and calls captured in a graph
step build-libtorch build libtorch all
if [[ $packed == yes ]]; then
    mkdir -p "$MEMORY_GEN_NATIVE" && cp packed/lib*.so "$MEMORY_GEN_NATIVE/"
    streams=packed/stream_tests
    export LD_LIBRARY_PATH=$MEMORY_GEN_NATIVE:$LD_LIBRARY_PATH
elif [[ $cuda == ON ]]; then
    step build-kernels build kernels "memgen memgen_cuda stream_tests" -DMEMGEN_CUDA=ON
else
    step build-kernels build kernels memgen
fi
without_device() { # what needs none
    step conformance-cpu run Conformance fixtures/*.safetensors --form native --dtype f32
    [[ $packed == yes ]] || {
        step build-emulated-kernels build kernels all
        step emulated-kernels ctest --test-dir build/kernels -R cuda_on_host --output-on-failure --parallel "$(nproc)"
    }
}
count() { printf '%d passed, %d failed%s%s\n' "$passed" "$failed" "$( ((left == 0)) || printf ', %d left out' "$left")" "$1"; }

if [[ -z $device ]]; then
    without_device
    count "; the torch of $python sees no CUDA device, so nothing ran on one"
    exit $((failed > 0 ? 1 : 2))
fi
[[ $cuda == ON || $packed == yes ]] || cannot "there is no nvcc on the PATH, in CUDA_HOME or in /usr/local/cuda, so there are no CUDA kernels to check; MEMORY_GEN_KERNELS=packed takes packed ones."

printf '%s, driver %s, %s, torch %s\n' "$device" "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)" \
    "$(if [[ $packed == yes ]]; then echo "kernels as packed"; else nvcc --version | tail -n 1; fi)" "$("$python" -c 'import torch; print(torch.__version__)')" | tee log/machine.txt
vectors() { # OPERATOR...: their files
    local name
    for name in "$@"; do compgen -G "fixtures/$name@*.safetensors" || cannot "there are no vector files of $name."; done
}
found=$(vectors causal_conv channel_decay channel_delta_rule delta_product delta_rule gated_delta_rule generalized_delta_rule linear_attention linear_attention_normalized linear_scan scalar_decay segment_attention selective_scan titans_linear titans_mlp) || exit
mapfile -t kernels <<<"$found"
for dtype in f32 bf16; do
    step "conformance-native-$dtype" run Conformance "${kernels[@]}" --form native --dtype $dtype --device cuda
done
step streams "$streams"
step bench run Bench --device cuda --repeats 20 --out log
for dtype in f32 bf16; do
    step "stress-$dtype" run Conformance stress --count 300 --dtype $dtype --device cuda
done
step conformance-chunked-f64 run Conformance fixtures/*.safetensors --form chunked --dtype f64 --device cuda
step train run LanguageModel train --device cuda --minutes "${MEMORY_GEN_MINUTES:-1}" --data data --out run
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
        step "sanitizer-$tool" compute-sanitizer --tool $tool --error-exitcode 1 --target-processes all \
            "$root/dotnet/dotnet" bin/Conformance/Conformance.dll "${kernels[@]}" --form native --dtype bf16 --device cuda
        step "sanitizer-$tool-streams" compute-sanitizer --tool $tool --error-exitcode 1 "$streams" streams_do_not_meet
    done
else
    echo "compute-sanitizer is not here: memory and races were not checked on the device"
fi
without_device
count ""
exit $((failed > 0))
