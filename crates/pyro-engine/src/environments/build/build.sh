# Builds one environment: the frame's variables, and
#   P_OUT      receives rootfs.ext4 vmlinuz modules/ packages kernel
#   P_INCLUDE  packages of the recipe
#   P_KERNEL   package that names the kernel; empty = vmlinuz, modules.builtin
#              and the release in P_RELEASE are there already
build() {
    set -eu
    open_work
    tree=$work/tree
    mkdir "$work/kernel"
    cd "$work/kernel"

    # the kernel comes through the chroot's own apt, so it is signed like the
    # rest; unpacked instead of installed, which would pull in initramfs-tools
    fetch='set -eu
        [ -n "$P_KERNEL" ] || exit 0
        export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
        real=$(apt-cache depends "$P_KERNEL" | sed -n "s/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p" | head -n 1)
        apt-get -q download "${real:-$P_KERNEL}"
        dpkg-deb -f ./*.deb Package Version >"$P_OUT/kernel"
        dpkg-deb -x ./*.deb .
        rm ./*.deb'

    debian "$tree" --variant=minbase --include="$P_INCLUDE" --customize-hook="$fetch"

    echo "pyro: step kernel"
    mkdir -p "$tree/usr/lib/modules"
    if [ -n "$P_KERNEL" ]; then
        modules=$(find "$work/kernel" -type d -path '*lib/modules/*' -prune | head -n 1)
        release=${modules##*/}
        cp "$work/kernel/boot/vmlinuz-$release" "$P_OUT/vmlinuz"
        mv "$modules" "$tree/usr/lib/modules/$release"
    else
        # no module files; `modprobe` answers for what is built in
        release=$P_RELEASE
        mkdir "$tree/usr/lib/modules/$release"
        cp "$P_OUT/modules.builtin" "$tree/usr/lib/modules/$release/"
        : >"$tree/usr/lib/modules/$release/modules.order"
    fi
    echo "pyro: release $release"
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

    close_work
    echo "pyro: step done"
}
