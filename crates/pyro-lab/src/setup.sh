# Makes the lab out of a fresh guest. Runs once after each boot, as root.
#
#   /dev/vdb  scratch, also below /     /dev/vdc  environments   /dev/vdd  programs
#
# Starting a program costs a tenth of a second here, so there are few.
set -eu

modprobe -a kvm-amd tun vhost_vsock dummy nf_tables nfnetlink_log &
modules=$!

mkdir -p /run/lab /scratch /environments /programs /cache/root /cache/lab /home/lab
# The same file system as below /, because an overlay cannot lie on an overlay.
mount /dev/vdb /scratch
mount -o ro /dev/vdc /environments
mount -o ro /dev/vdd /programs

# As useradd would, with ranges of subordinate ids.
echo 'kvm:x:999:lab' >>/etc/group
echo 'lab:x:1000:' >>/etc/group
echo 'lab:x:1000:1000::/home/lab:/bin/bash' >>/etc/passwd
echo 'lab:*:19700:0:99999:7:::' >>/etc/shadow
echo 'lab:100000:65536' | tee -a /etc/subuid >>/etc/subgid

# One writable view of the environments for each user; the images stay below.
# xino=off keeps the inode numbers that the manifests name.
for user in root lab; do
    mkdir -p "/scratch/cache/$user/upper" "/scratch/cache/$user/work"
    mount -t overlay -o "lowerdir=/environments/cache,upperdir=/scratch/cache/$user/upper,workdir=/scratch/cache/$user/work,xino=off,index=off,metacopy=off" \
        environments "/cache/$user"
    # Where guests write: an overlay has no nameless files, which the jailer needs.
    for place in .scratch .templates; do
        mkdir -p -m 700 "/scratch/cache/$user/$place" "/cache/$user/$place"
        mount --bind "/scratch/cache/$user/$place" "/cache/$user/$place"
    done
done
# The folders only: a file that changes its owner would change its stamp.
chown lab:lab /home/lab /cache/lab /cache/lab/.scratch /cache/lab/.templates /cache/lab/.images /cache/lab/linux-x86_64 /cache/lab/linux-x86_64/*

echo 'export PATH=/programs/bin:$PATH:/usr/sbin:/sbin
export PYRO_ENVIRONMENT_CACHE_DIR=/cache/${USER:-root}' >/etc/profile.d/lab.sh

wait "$modules"
[ -c /dev/kvm ] || { echo "there is no /dev/kvm: $(dmesg | grep -i kvm | tail -n 3)" >&2; exit 1; }
# What udev's rules would do.
chgrp kvm /dev/kvm /dev/vhost-vsock
chmod 0660 /dev/kvm /dev/vhost-vsock
chmod 0666 /dev/net/tun

# An outside that nothing answers from: guests get a network where there is a
# route to one, and the address is what they must not reach.
ip link add outside type dummy
ip addr add 198.51.100.2/24 dev outside
ip link set outside up
ip route add default via 198.51.100.1
