# Makes the lab out of a fresh guest. Runs once after each boot, as root.
#
#   /dev/vdb  scratch, also below /     /dev/vdc  environments   /dev/vdd  programs
set -eu

modprobe -a kvm-amd tun vhost_vsock nf_tables
[ -c /dev/kvm ] || { echo "there is no /dev/kvm: $(dmesg | grep -i kvm | tail -n 3)" >&2; exit 1; }

mkdir -p /run/lab /scratch /environments /programs /cache
# The same file system as below /, because an overlay cannot lie on an overlay.
mount /dev/vdb /scratch
mount -o ro /dev/vdc /environments
mount -o ro /dev/vdd /programs

# What udev's rules would do.
groupadd --force --system kvm
chown root:kvm /dev/kvm /dev/vhost-vsock
chmod 0660 /dev/kvm /dev/vhost-vsock
chmod 0666 /dev/net/tun
useradd --create-home --shell /bin/bash --groups kvm lab

# One writable view of the environments for each user; the images stay below.
# xino=off keeps the inode numbers that the manifests name.
for user in root lab; do
    mkdir -p "/scratch/cache/$user/upper" "/scratch/cache/$user/work" "/cache/$user"
    mount -t overlay -o "lowerdir=/environments/cache,upperdir=/scratch/cache/$user/upper,workdir=/scratch/cache/$user/work,xino=off,index=off,metacopy=off" \
        environments "/cache/$user"
done
find /cache/lab -type d -exec chown lab:lab {} +

cat >/etc/profile.d/lab.sh <<'PROFILE'
export PATH=/programs/bin:$PATH:/usr/sbin:/sbin
export PYRO_ENVIRONMENT_CACHE_DIR=/cache/${USER:-root}
PROFILE
