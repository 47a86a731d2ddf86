# Builds one environment. Runs as PID 1 of fresh mount and PID namespaces (and
# a user namespace unless root started it); see namespaces.rs.
#
#   stdin      a pipe that pyro holds: its end means pyro is gone
#   stdout     lines `pyro: <word> ...` for pyro, everything else is tool output
#   P_OUT      partial folder; receives rootfs.ext4 vmlinuz modules/ packages kernel
#   P_TMPFS    size of the tmpfs for the tree in MiB, 0 = a folder in P_OUT
#   P_SUITE P_INCLUDE P_KERNEL   the recipe
#   P_SOURCES  sources.list text, empty = mmdebstrap's own default
set -u
umask 022
exec 3<&0 </dev/null 2>&1

build() {
    set -eu
    work=$P_OUT/work
    mkdir -p "$work"
    if [ "$P_TMPFS" != 0 ]; then
        mount -t tmpfs -o "mode=0755,size=${P_TMPFS}m" pyro "$work"
    fi
    tree=$work/tree
    mkdir "$work/kernel"
    cd "$work/kernel"

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

    # the kernel comes through the chroot's own apt, so it is signed like the
    # rest; unpacked instead of installed, which would pull in initramfs-tools
    fetch='set -eu
        export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
        real=$(apt-cache depends "$P_KERNEL" | sed -n "s/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p" | head -n 1)
        apt-get -q download "${real:-$P_KERNEL}"
        dpkg-deb -f ./*.deb Package Version >"$P_OUT/kernel"
        dpkg-deb -x ./*.deb .
        rm ./*.deb'

    # mmdebstrap hands a descriptor to dash by its number, and dash knows one
    # digit only: what pyro's caller left open may not push it above 9. The
    # shell here cannot close those either, but mmdebstrap comes with Perl.
    clean='POSIX::close($_) for 3..1023; exec { $ARGV[0] } @ARGV; die "mmdebstrap: $!\n"'
    # both options stay in the guest on purpose: they make its own apt faster.
    # shellcheck disable=SC2086
    perl -MPOSIX -e "$clean" mmdebstrap --verbose --mode=root --variant=minbase --architectures=amd64 \
        --include="$P_INCLUDE" $keyring \
        --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
        --customize-hook="$fetch" \
        "$P_SUITE" "$tree" $sources

    echo "pyro: step kernel"
    modules=$(find "$work/kernel" -type d -path '*lib/modules/*' -prune | head -n 1)
    release=${modules##*/}
    echo "pyro: release $release"
    cp "$work/kernel/boot/vmlinuz-$release" "$P_OUT/vmlinuz"
    mkdir -p "$tree/usr/lib/modules"
    mv "$modules" "$tree/usr/lib/modules/$release"
    chroot "$tree" depmod "$release"
    cp -r "$tree/usr/lib/modules/$release" "$P_OUT/modules"
    find "$P_OUT/modules" -name '*.ko.xz' -exec xz -d {} +
    find "$P_OUT/modules" -name '*.ko.zst' -exec zstd -q -d --rm {} +
    chroot "$tree" dpkg-query -W -f '${Package}\t${Version}\n' >"$P_OUT/packages"

    # nothing of this host, no credential, nothing the guest makes itself
    find "$tree/etc/apt" -path '*/sources.list*' -type f -exec sed -i 's#://[^/ ]*@#://#g' {} +
    rm -rf "$tree"/dev/* "$tree"/run/* "$tree"/tmp/* "$tree"/boot/* \
        "$tree"/var/cache/apt/*.bin "$tree"/var/cache/apt/archives/*.deb \
        "$tree"/var/lib/apt/lists/* "$tree"/var/cache/ldconfig/* \
        "$tree"/etc/hostname "$tree"/etc/resolv.conf "$tree"/etc/machine-id
    find "$tree/var/log" -type f -delete
    : >"$tree/etc/resolv.conf"
    : >"$tree/etc/machine-id"
    printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$tree/etc/hosts"

    echo "pyro: step image"
    # the host's mke2fs.conf must not decide what the guest's kernel has to read
    cat >"$work/mke2fs.conf" <<'CONF'
[defaults]
    base_features = sparse_super,large_file,filetype,dir_index,ext_attr
    default_mntopts = acl,user_xattr
    enable_periodic_fsck = 0
    blocksize = 4096
    inode_size = 256
[fs_types]
    ext4 = {
        features = extent,64bit,flex_bg,huge_file,dir_nlink,extra_isize,metadata_csum
    }
    floppy = {
    }
    small = {
    }
    big = {
    }
CONF
    kib=$(du -sk "$tree" | cut -f 1)
    entries=$(find "$tree" | wc -l)
    folders=$(find "$tree" -type d | wc -l)
    # the image is never written to: no journal, no reserve, little slack (a hole)
    size=$((kib + folders * 4 + entries / 4 + kib / 16 + 16384))
    MKE2FS_CONFIG=$work/mke2fs.conf mke2fs -q -F -t ext4 -m 0 -N $((entries + 256)) \
        -U 70797265-0000-4000-8000-000000000001 -L pyro-root \
        -E hash_seed=70797265-0000-4000-8000-000000000002,root_owner=0:0,lazy_itable_init=0,nodiscard \
        -d "$tree" "$P_OUT/rootfs.ext4" "${size}k"
    chmod 0600 "$P_OUT/rootfs.ext4" "$P_OUT/vmlinuz"

    cd /
    [ "$P_TMPFS" = 0 ] || umount "$work"
    rm -rf "$work"
    echo "pyro: step done"
}

build &
child=$!
# When pyro dies, however it dies, the pipe ends; when PID 1 then exits, the
# kernel kills what is left and drops the mounts.
(cat <&3 >/dev/null; kill -KILL $child 2>/dev/null) &
wait $child
exit $?
