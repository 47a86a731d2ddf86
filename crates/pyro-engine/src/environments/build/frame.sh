# What every build stands on; the build's own script follows and defines
# `build`. Runs as PID 1 of fresh mount and PID namespaces (and a user
# namespace unless root started it); see namespaces.rs.
#
#   stdin      a pipe that pyro holds: its end means pyro is gone
#   stdout     lines `pyro: <word> ...` for pyro, everything else is tool output
#   P_OUT      folder for the results
#   P_TMPFS    size of the tmpfs for the tree in MiB, 0 = a folder in P_OUT
#   P_SUITE    suite of the packages
#   P_SOURCES  sources.list text, empty = mmdebstrap's own default
set -u
umask 022
exec 3<&0 </dev/null 2>&1

# a folder for all that is not a result
open_work() {
    work=$P_OUT/work
    mkdir -p "$work"
    if [ "$P_TMPFS" != 0 ]; then
        mount -t tmpfs -o "mode=0755,size=${P_TMPFS}m" pyro "$work"
    fi
}

close_work() {
    cd /
    [ "$P_TMPFS" = 0 ] || umount "$work"
    rm -rf --one-file-system "$work"
}

# debian TREE OPTIONS...: signed packages, unpacked and configured below TREE
debian() {
    root=$1
    shift
    # a file, not an argument: an argument would show a mirror's password in `ps`
    sources=
    if [ -n "$P_SOURCES" ]; then
        sources=$work/sources.list
        (umask 077; printf '%s\n' "$P_SOURCES" >"$sources")
    fi
    # hosts that are not Debian do not trust Debian's keys by themselves
    keyring=
    archive=/usr/share/keyrings/debian-archive-keyring.gpg
    if [ -e $archive ]; then keyring=--keyring=$archive; fi

    # mmdebstrap hands a descriptor to dash by its number, and dash knows one
    # digit only: what pyro's caller left open may not push it above 9. The
    # shell here cannot close those either, but mmdebstrap comes with Perl.
    clean='POSIX::close($_) for 3..1023; exec { $ARGV[0] } @ARGV; die "mmdebstrap: $!\n"'
    # both options stay in the guest on purpose: they make its own apt faster.
    # shellcheck disable=SC2086
    perl -MPOSIX -e "$clean" mmdebstrap --verbose --mode=root --architectures=amd64 $keyring \
        --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
        "$@" "$P_SUITE" "$root" $sources
}

# Runs `build`. When pyro dies, however it dies, the pipe ends; when PID 1 then
# exits, the kernel kills what is left and drops the mounts.
watched_build() {
    build &
    child=$!
    (cat <&3 >/dev/null; kill -KILL $child 2>/dev/null) &
    wait $child
    exit $?
}
