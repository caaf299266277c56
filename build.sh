#!/usr/bin/env bash
# Installs what is missing, then hands over to build.cake. See `./build.sh` for the commands.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
command=${1:-}
caller=$PWD
cd -- "$root"

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
export MSBUILDDISABLENODEREUSE=1 # a build leaves no process behind that holds the caller's pipe open
export CAKE_PATHS_TOOLS="$root/artifacts/tools" CAKE_SETTINGS_ENABLESCRIPTCACHE=true
[[ -t 1 ]] || export NO_COLOR=1

usage() {
    cat <<'TEXT'
Usage: ./build.sh COMMAND

  train [OPTIONS]   build, then train the sample language model and let it generate text
  test              build, then run every test
  soak              build, then run the long tests (category Soak, up to an hour)
  bench [OPTIONS]   build, then measure speed against PyTorch
  recall [OPTIONS]  build, then compare the memories on recall tasks
  pack              make the NuGet packages of the chosen provider, in artifacts/packages
  cuda [--pack]     build the CUDA kernels, and test them without a GPU; --pack makes
                    artifacts/gpu.tar.xz, which checks itself on a machine that has one
  provider ask|package|system
                    choose where TorchSharp comes from: ask the NuGet feed, its package,
                    or runtime/TorchSharp.Lite over the libtorch of this machine

OPTIONS go to the program as they are; it runs in the repository's root folder.
Environment: TorchProvider (package or system) wins over what `provider` decided;
LIBTORCH (the folder of a libtorch) is used instead of Debian's libtorch-dev.
TEXT
}

say() { printf '%s\n' "$*"; }

stop() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 1
}

wrong_usage() {
    if (($# > 0)); then printf 'build.sh: %s\n\n' "$*" >&2; fi
    usage >&2
    exit 2
}

# Where the packages come from

package_version() {
    local version property
    version=$(sed -n "s/.*<PackageVersion Include=\"$1\" Version=\"\([^\"]*\)\".*/\1/p" Directory.Packages.props)
    if [[ $version =~ ^\$\((.*)\)$ ]]; then # a property, which the environment may set as well
        property=${BASH_REMATCH[1]}
        version=${!property:-$(sed -n "s|.*<$property[^>]*>\(.*\)</$property>.*|\1|p" Directory.Packages.props)}
    fi
    printf '%s\n' "$version"
}

# Restores a one-line project outside the repository and prints there, missing, or the feed's own words.
ask_feed() {
    local folder=$1 package=$2 version output codes
    version=$(package_version "$package")
    mkdir -p -- "$folder"
    printf '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup><ItemGroup><PackageReference Include="%s" Version="[%s]" /></ItemGroup></Project>\n' \
        "$package" "$version" >"$folder/ask.csproj"
    if output=$(cd -- "$folder" && dotnet restore ask.csproj --nologo -p:ImportDirectoryBuildProps=false \
        -p:ImportDirectoryBuildTargets=false -p:ImportDirectoryPackagesProps=false 2>&1 </dev/null); then
        say there
        return
    fi
    codes=$(grep -oE 'error [A-Z]+[0-9]+' <<<"$output" | sort -u || true)
    if [[ -n $codes ]] && ! grep -qvE '^error NU110[12]$' <<<"$codes"; then
        say missing
    else
        grep -m 1 -E 'error' <<<"$output" | sed -E 's/^.*(error [A-Z]+[0-9]+: )/\1/' || say "dotnet restore said nothing useful"
    fi
}

# The newest library version that the restored TorchSharp's native part needs and this machine lacks (Debian 12's C++ library
# is too old for 0.107); nothing where all are here or ldd cannot tell. Libraries that ldd does not find are the package's own.
missing_library_version() {
    local torchsharp
    torchsharp=$(sed -n 's|^ *"\(.*/torchsharp/[^/]*\)/[^/"]*".*|\1|p' "$1/obj/project.nuget.cache" 2>/dev/null) || true
    { LC_ALL=C ldd "$torchsharp/runtimes/linux-x64/native/libLibTorchSharp.so" 2>&1 || true; } |
        sed -n "s/.*version \`\([^']*\)' not found (required by .*libLibTorchSharp.*/\1/p" | sort -V | tail -n 1
}

switch() { printf "    <%s Condition=\"'\$(%s)' == ''\">%s</%s>\n" "$1" "$1" "$2" "$1"; }

write_torch_props() {
    { printf '<Project>\n  <PropertyGroup>\n' && cat && printf '  </PropertyGroup>\n</Project>\n'; } >torch.props.new
    mv -f -- torch.props.new torch.props
}

# TorchSharp, Microsoft.ML.Tokenizers and Verify are asked for side by side: each answer is one switch.
ask_provider() {
    local torch=TorchSharp-cpu folder i answer lacking decided=()
    [[ ${TorchDevice:-cpu} != cuda ]] || torch=TorchSharp-cuda-linux
    local switches=(TorchProvider TokenizerProvider SnapshotProvider)
    local packages=("$torch" Microsoft.ML.Tokenizers Verify.Xunit)
    local otherwise=(system builtin builtin)

    say "Asking the NuGet feed for ${packages[*]}"
    folder=$(mktemp -d)
    for i in 0 1 2; do
        ask_feed "$folder/$i" "${packages[i]}" >"$folder/$i.answer" &
    done
    wait
    for i in 0 1 2; do
        answer=$(<"$folder/$i.answer")
        case $answer in
            there) decided+=(package) ;;
            missing) decided+=("${otherwise[i]}") ;;
            *)
                rm -rf -- "$folder"
                stop "the NuGet feed could not be asked for ${packages[i]} ($answer); nothing was decided: repeat with the network up, or choose with ./build.sh provider package|system."
                ;;
        esac
    done
    lacking=$(missing_library_version "$folder/0")
    rm -rf -- "$folder"
    if [[ ${decided[0]} == package && -n $lacking ]]; then
        say "$torch is on the feed, but its libLibTorchSharp.so needs $lacking, which this machine's libraries do not have."
        decided[0]=system
    fi
    for i in 0 1 2; do switch "${switches[i]}" "${decided[i]}"; done | write_torch_props
    for i in 0 1 2; do say "${switches[i]}: ${decided[i]}"; done
}

choose_provider() {
    case $1 in
        ask) ask_provider ;;
        package | system)
            switch TorchProvider "$1" | write_torch_props
            say "TorchProvider: $1"
            ;;
        *) wrong_usage "provider is ask, package or system, not '$1'." ;;
    esac
}

# The decision in force: the environment first, then torch.props; asked once if neither is there.
decide_provider() {
    provider=${TorchProvider:-}
    if [[ -z $provider ]]; then
        [[ -f torch.props ]] || ask_provider
        provider=$(sed -n 's/.*<TorchProvider[^>]*>\(.*\)<\/TorchProvider>.*/\1/p' torch.props)
    fi
    [[ $provider == package || $provider == system ]] ||
        stop "TorchProvider is '$provider'; it must be package or system: run ./build.sh provider ask."
}

# An absolute path, because everything below runs in the root folder.
find_libtorch() {
    [[ -n ${LIBTORCH:-} ]] || return 0
    local given=$LIBTORCH
    LIBTORCH=$(cd -- "$caller" && cd -- "$given" 2>/dev/null && pwd) ||
        stop "LIBTORCH is '$given', which is no folder; it must be the folder of a libtorch, the one with include/ and lib/."
    export LIBTORCH
}

# What the machine needs

require_dotnet() {
    command -v dotnet >/dev/null ||
        stop "the .NET SDK was not found; install the .NET 10 SDK (https://dot.net/download) and run this again."
    local version
    version=$(dotnet --version 2>&1 | tail -n 1) || true
    [[ ${version%%.*} =~ ^[0-9]+$ && ${version%%.*} -ge 10 ]] ||
        stop "version 10 or newer of the .NET SDK is needed, and dotnet --version says '$version': install the .NET 10 SDK (https://dot.net/download)."
}

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true) == installed ]]; }

# LIBTORCH replaces Debian's libtorch and brings its own matrix products.
missing_packages() {
    local package
    if [[ $provider == system && -z ${LIBTORCH:-} ]]; then
        for package in libtorch-dev libopenblas0-pthread; do
            is_installed "$package" || say "$package"
        done
    fi
    if [[ $provider == system || -d native/kernels ]]; then
        command -v g++ >/dev/null || say g++
        command -v cmake >/dev/null || say cmake
        command -v ninja >/dev/null || say ninja-build
    fi
}

# The packages that this machine lacks, by the name of a function that lists them.
install_packages() {
    local missing as_root=() log=artifacts/logs/apt.log
    mapfile -t missing < <("$1")
    ((${#missing[@]} > 0)) || return 0

    local line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    command -v apt-get >/dev/null ||
        stop "${missing[*]} missing, and apt-get is not here: install a C++17 compiler, cmake and ninja, and set LIBTORCH to the folder of a libtorch."
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || stop "${missing[*]} missing; run this as root and then repeat: $line"
        as_root=(sudo -n)
    fi

    say "Installing ${missing[*]}"
    mkdir -p artifacts/logs
    [[ " ${missing[*]} " != *" nvidia-cuda-toolkit "* ]] || add_non_free
    # Stale package lists may still do, so only the installation decides.
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 </dev/null || true
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
        install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
        tail -n 20 -- "$log" >&2
        stop "${missing[*]} could not be installed (all of it in $log); run this as root and then repeat: $line"
    fi
}

# nvcc, from a toolkit that is here or from Debian, whose package brings a host compiler that its nvcc takes.
missing_nvcc() {
    local home
    for home in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
        [[ -z $home || ! -x $home/bin/nvcc ]] || return 0
    done
    command -v nvcc >/dev/null || say nvidia-cuda-toolkit
}

# Debian keeps it in the component non-free, and what it depends on in contrib; a file of its own adds both for the release that runs here.
add_non_free() {
    local release
    release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    grep -qi '^ID=debian' /etc/os-release && [[ -n $release ]] ||
        stop "no nvcc was found, and this is not Debian: install the CUDA toolkit, 11.8 or newer, put its bin folder on the PATH, and run this again."
    printf 'Types: deb\nURIs: http://deb.debian.org/debian\nSuites: %s\nComponents: contrib non-free\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$release" |
        "${as_root[@]}" tee /etc/apt/sources.list.d/memory-gen-non-free.sources >/dev/null
}

set_up() {
    require_dotnet
    find_libtorch
    decide_provider
    install_packages missing_packages
    local log=artifacts/logs/tools.log
    mkdir -p artifacts/logs
    dotnet tool restore >"$log" 2>&1 </dev/null || {
        tail -n 20 -- "$log" >&2
        stop "the build tool (Cake) could not be restored from the NuGet feed; repeat with the network up."
    }
}

# Commands

cake() { TorchProvider=$provider dotnet cake build.cake --verbosity=quiet --target="$1" </dev/null; }

# Always the last line of `test` and `soak`, however they ended.
closing_line() {
    local line=""
    [[ ! -f artifacts/tests/summary.txt ]] || line=$(<artifacts/tests/summary.txt)
    [[ $line =~ ^[0-9]+\ passed,\ [0-9]+\ failed$ ]] || line="0 passed, 1 failed"
    printf '%s\n' "$line"
    [[ $line == *", 0 failed" ]] || exit 1
    exit 0
}

run_tests() {
    trap closing_line EXIT
    rm -f artifacts/tests/summary.txt
    set_up
    cake "$1" || rm -f artifacts/tests/summary.txt
}

# The program takes build.sh's place, so that Ctrl-C and the exit code are its own.
run_program() {
    local project=$1 name
    shift
    name=$(basename -- "$project")
    [[ -f $project/$name.csproj ]] || { printf 'build.sh: %s comes with a later part of this project.\n' "$project" >&2; exit 2; }
    set_up
    cake "$name"
    export MEMORY_GEN_CALLER=$caller # where what the program prints to be typed is typed
    exec dotnet "$project/bin/Release/net10.0/$name.dll" "$@"
}

case $command in
    train) run_program samples/LanguageModel "$@" ;;
    recall) run_program samples/Recall "${@:2}" ;;
    bench) run_program tests/Bench "${@:2}" ;;
    test | soak)
        (($# == 1)) || wrong_usage "$command takes no arguments, not '${*:2}'."
        run_tests "$command"
        ;;
    provider)
        (($# == 2)) || wrong_usage
        require_dotnet
        choose_provider "$2"
        ;;
    pack)
        (($# == 1)) || wrong_usage "pack takes no arguments, not '${*:2}'."
        set_up
        # The files in a package carry this time, so that the same commit makes the same bytes.
        export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 315532800)}
        cake pack
        ;;
    cuda)
        [[ $# == 1 || ($# == 2 && $2 == --pack) ]] || wrong_usage "cuda takes --pack or nothing, not '${*:2}'."
        set_up
        if (($# == 2)); then
            [[ $provider == system ]] || stop "a machine without a package feed needs the system provider: TorchProvider=system ./build.sh cuda --pack"
            cake cuda-pack
        else
            [[ -d /usr/local/cuda/bin ]] && PATH=$PATH:/usr/local/cuda/bin
            install_packages missing_nvcc
            cake cuda
        fi
        ;;
    "") wrong_usage ;;
    -h | --help | help) usage ;;
    *) wrong_usage "there is no command '$command'." ;;
esac
