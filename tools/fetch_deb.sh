#!/usr/bin/env bash
# Download a Debian package and unpack it into a folder. Nothing is installed and no root is
# needed; the machine's package lists may be empty, since the script keeps its own.
set -euo pipefail

if [ $# -ne 2 ]; then
    echo "usage: $0 PACKAGE DEST" >&2
    exit 2
fi
package=$1
dest=$2

for tool in apt-get dpkg; do
    if ! command -v "${tool}" >/dev/null; then
        echo "fetch_deb.sh: ${tool} not found; this needs Debian or a system made from it." >&2
        exit 1
    fi
done

# apt writes only into one folder of our own, and reads only the system's sources. Several calls can
# run at the same time, and none of them changes the system. The folder is beside DEST, since TMPDIR
# may have no room for the package.
dest=$(realpath -m -- "${dest}")
mkdir -p "$(dirname "${dest}")"
work=$(mktemp -d "${dest}.fetch_deb.XXXXXX")
trap 'rm -rf "${work}"' EXIT
mkdir -p "${work}/lists/partial" "${work}/cache/archives/partial" "${work}/deb"
private=(
    -o "Dir::State::Lists=${work}/lists"
    -o "Dir::Cache=${work}/cache"
    # As root apt hands downloads to the user _apt, who cannot write into a private folder.
    -o "APT::Sandbox::User=$(id -un)"
    -o "Acquire::Languages=none"
    -o "Acquire::Retries=2"
    # Hooks of the machine (Docker images clean the cache after each update) need root.
    -o "APT::Update::Post-Invoke::="
    -o "Debug::NoLocking=1"
)

# run NAME COMMAND...: silent when it succeeds, the whole log when it does not.
run() {
    local name=$1
    shift
    if ! "$@" >"${work}/log" 2>&1; then
        echo "fetch_deb.sh: ${name} failed for ${package}: $*" >&2
        tail -n 20 "${work}/log" >&2
        exit 1
    fi
}

download() { (cd "${work}/deb" && apt-get "${private[@]}" -qq download "${package}"); }

# The machine's lists save the download of an index when they are there and current.
if ! (cd "${work}/deb" && apt-get -o "APT::Sandbox::User=$(id -un)" -o "Dir::Cache=${work}/cache" \
    -qq download "${package}") >/dev/null 2>&1; then
    run "reading the package lists" apt-get "${private[@]}" -qq update
    run "the download" download
fi

mkdir -p "${dest}"
for deb in "${work}"/deb/*.deb; do
    run "unpacking" dpkg -x "${deb}" "${dest}"
    echo "fetch_deb.sh: $(basename "${deb}") -> ${dest}"
done
