#!/bin/sh
# Installs Debian's package bubblewrap, the program that makes the walls around untrusted code (`bwrap`), if it is not
# there, with libseccomp2, which writes their filter of system calls. It needs root, asks for nothing else, and changes
# nothing when bwrap is on PATH. On other systems install the packages of the same names by hand.
set -eu
if command -v bwrap >/dev/null; then
    echo "bubblewrap: $(command -v bwrap)"
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "bubblewrap is not installed: install it as root (on Debian: apt-get install bubblewrap)." >&2
    echo "Until then nothing runs in the sandbox, and its tests are skipped." >&2
    exit 0
fi
echo "bubblewrap: installing the system package"
apt-get install --yes --quiet --no-install-recommends bubblewrap libseccomp2 >/dev/null 2>&1 || {
    apt-get update --quiet >/dev/null
    apt-get install --yes --quiet --no-install-recommends bubblewrap libseccomp2 >/dev/null
}
