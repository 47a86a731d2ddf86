# Builds the minimal guest kernel, or says from what it would be built.
# The frame's variables, and
#   P_STEP     `versions`: only writes P_OUT/versions
#              `compile`: also vmlinuz, modules.builtin and config
#   P_SOURCE   package of the kernel's source
#   P_TOOLS    packages that compile it, with commas
#   P_DECIDES  which packages' versions decide the result, as a pattern
#   P_CONFIG   text of kernel.config
#   P_JOBS     how many compilers at a time
build() {
    set -eu
    open_work
    versions_then_"$P_STEP"
    close_work
    echo "pyro: step done"
}

# no tree at all: apt's lists are enough to know what it would install
versions_then_versions() {
    ask='set -eu
        export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
        apt-get -s -qq install $(echo "$P_SOURCE,$P_TOOLS" | tr , " ") >"$P_OUT/plan"
        sed -nE "s/^Inst ($P_DECIDES) \(([^ ]+) .*/\1 \2/p" "$P_OUT/plan" | sort >"$P_OUT/versions"'
    debian "$work/empty" --variant=custom --customize-hook="$ask"
}

versions_then_compile() {
    tree=$work/tree
    debian "$tree" --variant=minbase --include="$P_SOURCE,$P_TOOLS"
    chroot "$tree" dpkg-query -W -f '${Package} ${Version}\n' |
        grep -E "^($P_DECIDES) " | sort >"$P_OUT/versions"

    echo "pyro: step unpack"
    # inside the chroot, so that no path of this host gets into the kernel; the
    # parts that no x86 kernel without graphics needs are half of the source
    tarball=$tree/usr/src/$P_SOURCE.tar.xz
    tar -C "$tree/usr/src" --no-same-owner --exclude='*/arch/[!x]*/*.[chS]' --exclude='*.dts' --exclude='*.dtsi' \
        --exclude='*/drivers/gpu/*.[ch]' --exclude='*/Documentation/*/*' \
        --exclude='*/tools/testing/*' --exclude='*/tools/perf/*' -xf "$tarball"
    # the date of the package, not of this build: the same bytes each time
    stamp=$(date -u -r "$tarball" '+%Y-%m-%d %H:%M:%S')
    rm "$tarball"
    printf '%s' "$P_CONFIG" >"$tree/usr/src/kernel.config"
    # as a mount: in a user namespace nobody can make the device
    [ -e "$tree/dev/null" ] || : >"$tree/dev/null"
    mount --bind /dev/null "$tree/dev/null"
    in_source() {
        env -i PATH=/usr/sbin:/usr/bin LC_ALL=C KBUILD_BUILD_TIMESTAMP="$stamp" \
            KBUILD_BUILD_USER=pyro KBUILD_BUILD_HOST=pyro KBUILD_BUILD_VERSION=1 \
            chroot "$tree" make -C "/usr/src/$P_SOURCE" --no-print-directory "$@"
    }
    in_source -s KCONFIG_ALLCONFIG=/usr/src/kernel.config allnoconfig
    cp "$tree/usr/src/$P_SOURCE/.config" "$P_OUT/config"
    echo "pyro: config"
    in_source -j "$P_JOBS" bzImage
    echo "pyro: release $(in_source -s kernelrelease)"
    cp "$tree/usr/src/$P_SOURCE/arch/x86/boot/bzImage" "$P_OUT/vmlinuz"
    cp "$tree/usr/src/$P_SOURCE/modules.builtin" "$P_OUT/"
    umount "$tree/dev/null"
}
