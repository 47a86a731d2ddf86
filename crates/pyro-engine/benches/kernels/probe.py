"""What the kernel of this guest can do, tried instead of read from a
configuration. Owns: one trial per feature, run as root inside the guest.
Prints `feature<TAB>yes|no<TAB>detail`, and the memory in use before any trial.
"""
import ctypes
import errno
import os
import socket
import stat
import struct
import subprocess
import tempfile

LIBC = ctypes.CDLL(None, use_errno=True)


def memory():
    fields = dict(line.split(":") for line in open("/proc/meminfo"))
    kib = {name: int(text.split()[0]) for name, text in fields.items()}
    return f"{kib['MemTotal']} {kib['MemTotal'] - kib['MemAvailable']}"


def syscall(number, *arguments):
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, errno.errorcode.get(code, str(code)))
    return result


def sh(script):
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True)
    if done.returncode:
        first = (done.stderr.strip().splitlines() or ["failed"])[0]
        raise OSError(first[:60])
    return done.stdout.strip()


def module(name):
    subprocess.run(["modprobe", "-q", name], capture_output=True)


def device(path, name):
    if not os.path.exists(path):
        module(name)
    os.close(os.open(path, os.O_RDWR))


def file_system(name):
    def probe():
        module(name)
        names = [line.split()[-1] for line in open("/proc/filesystems")]
        if name not in names:
            raise OSError("unknown")
    return probe


def link(kind, rest=""):
    return lambda: sh(f"ip link add probe0 {rest} type {kind}; ip link del probe0")


def exists(path):
    return lambda: os.stat(path) and None


# --- netfilter by hand: no environment has nft

def attribute(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def nested(kind, *parts):
    return attribute(kind | 0x8000, b"".join(parts))


def be32(value):
    return struct.pack(">I", value)


def text(value):
    return value.encode() + b"\0"


def message(kind, flags, family, resource, body=b""):
    body = struct.pack("=BBH", family, 0, socket.htons(resource)) + body
    return struct.pack("=IHHII", len(body) + 16, kind, flags, 1, 0) + body


def netfilter(data):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as link:
        link.bind((0, 0))
        link.settimeout(10)
        link.send(data)
        answer = link.recv(65536)
    while answer:
        size, kind = struct.unpack_from("=IH", answer)
        if kind == 2:
            code = -struct.unpack_from("=i", answer, 16)[0]
            if code:
                raise OSError(code, errno.errorcode.get(code, str(code)))
        answer = answer[(size + 3) & ~3:]


def ruleset(chain_type, hook, expression, *data):
    """A table, a chain at a hook and one rule, in one transaction."""
    def probe():
        request, create, inet, nft = 1, 0x400, 1, 10
        table = text(f"t{os.urandom(4).hex()}")
        chain = (attribute(1, table) + attribute(3, text("c"))
                 + nested(4, attribute(1, be32(hook)), attribute(2, be32(0)))
                 + attribute(7, text(chain_type)))
        element = nested(1, attribute(1, text(expression)), nested(2, *data))
        rule = attribute(1, table) + attribute(2, text("c")) + nested(4, element)
        both = request | create
        netfilter(
            message(16, request, 0, nft)
            + message(nft << 8 | 0, both, inet, 0, attribute(1, table))
            + message(nft << 8 | 3, both, inet, 0, chain)
            + message(nft << 8 | 6, both | 4, inet, 0, rule)
            + message(17, request, 0, nft))
    return probe


def extension(kind, name, revision):
    """What iptables-nft asks before it hands over a rule."""
    def probe():
        body = attribute(1, text(name)) + attribute(2, be32(revision)) + attribute(3, be32(kind))
        netfilter(message(11 << 8, 1 | 4, socket.AF_INET, 0, body))
    return probe


# --- the rest

def ipv6():
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as server:
        server.bind(("::1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()[:2]):
            pass


def vsock():
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as server:
        server.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))


def tun():
    device("/dev/net/tun", "tun")
    import fcntl
    with open("/dev/net/tun", "r+b", buffering=0) as tunnel:
        fcntl.ioctl(tunnel, 0x400454CA, struct.pack("=16sH22x", b"probe%d", 0x1002))


def fuse():
    device("/dev/fuse", "fuse")
    folder = tempfile.mkdtemp().encode()
    handle = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={handle},rootmode=40000,user_id=0,group_id=0".encode()
    syscall(165, b"probe", folder, b"fuse", 0, options)
    syscall(166, folder, 2)


OVERLAY = """d=$(mktemp -d); mount -t tmpfs t $d; cd $d; mkdir l u w m
mount -t overlay -o lowerdir=l,upperdir=u,workdir=w%s o m; touch m/x; test -e u/x"""


def as_user(script):
    return lambda: sh(f"setpriv --reuid=1000 --regid=1000 --clear-groups {script}")


def device_program():
    code = struct.pack("=BBhi", 0xB7, 0, 0, 1) + struct.pack("=BBhi", 0x95, 0, 0, 0)
    code, license = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack("=IIQQ", 15, 2, ctypes.addressof(code), ctypes.addressof(license))
    attributes = ctypes.create_string_buffer(attributes.ljust(120, b"\0"), 120)
    os.close(syscall(321, 5, attributes, 120))


def jit():
    if open("/proc/sys/net/core/bpf_jit_enable").read().strip() != "1":
        raise OSError("interpreted")


def call(number, *arguments):
    def probe():
        handle = syscall(number, *arguments)
        if handle > 2:
            os.close(handle)
    return probe


def io_uring():
    os.close(syscall(425, 4, ctypes.create_string_buffer(120)))


def keyring():
    syscall(248, b"user", b"probe", b"x", 1, -3)


def perf_event():
    attributes = struct.pack("=IIQ", 1, 112, 0).ljust(112, b"\0")
    os.close(syscall(298, ctypes.create_string_buffer(attributes, 112), 0, -1, -1, 0))


def landlock():
    return f"version {syscall(444, None, 0, 1)}"


def controllers():
    folder = tempfile.mkdtemp()
    sh(f"mount -t cgroup2 c {folder}")
    found = open(f"{folder}/cgroup.controllers").read().split()
    sh(f"umount {folder}")
    missing = {"cpu", "cpuset", "io", "memory", "pids"} - set(found)
    if missing:
        raise OSError("without " + " ".join(sorted(missing)))
    return " ".join(sorted(found))


def symbol(name):
    def probe():
        with open("/proc/kallsyms") as symbols:
            if not any(line.split()[2] == name for line in symbols):
                raise OSError("not in the kernel")
    return probe


def program_32_bit():
    code = bytes.fromhex("b801000000 31db cd80")
    base = 0x8048000
    elf = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    elf += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + 84, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    elf += struct.pack("<IIIIIIII", 1, 0, base, base, 84 + len(code), 84 + len(code), 5, 4096)
    path = tempfile.mktemp()
    with open(path, "wb") as file:
        file.write(elf + code)
    os.chmod(path, stat.S_IRWXU)
    subprocess.run([path], check=True)


def binfmt_misc():
    module("binfmt_misc")
    folder = tempfile.mkdtemp()
    sh(f"mount -t binfmt_misc b {folder}; test -e {folder}/register; umount {folder}")


def loaded(name, path):
    def probe():
        module(name)
        os.stat(path)
    return probe


def acpi_driver():
    module("vmgenid")
    os.stat("/sys/bus/acpi/drivers/vmgenid")


FEATURES = [
    ("IPv6 over loopback", ipv6),
    ("vsock", vsock),
    ("nft: nat, masquerade", ruleset("nat", 4, "masq")),
    ("nft: redirect", ruleset("nat", 0, "redir")),
    ("nft: ct state", ruleset("filter", 1, "ct", attribute(1, be32(1)), attribute(2, be32(0)))),
    ("nft: reject", ruleset("filter", 1, "reject", attribute(1, be32(2)), attribute(2, b"\0"))),
    ("nft: limit", ruleset("filter", 1, "limit", attribute(1, struct.pack(">Q", 5)),
                           attribute(2, struct.pack(">Q", 1)))),
    ("nft: log", ruleset("filter", 1, "log")),
    ("nft: fib", ruleset("filter", 1, "fib", attribute(1, be32(1)), attribute(2, be32(3)),
                         attribute(3, be32(2)))),
    ("iptables-nft: addrtype", extension(0, "addrtype", 1)),
    ("iptables-nft: conntrack", extension(0, "conntrack", 3)),
    ("iptables-nft: MASQUERADE", extension(1, "MASQUERADE", 0)),
    ("iptables-nft: DNAT", extension(1, "DNAT", 2)),
    ("bridge", link("bridge")),
    ("veth", link("veth", "")),
    ("tun/tap", tun),
    ("macvlan", lambda: sh("ip link add v0 type veth; ip link add link v0 m0 type macvlan; ip link del v0")),
    ("vxlan", link("vxlan id 7 dstport 4789")),
    ("wireguard", link("wireguard")),
    ("tc netem", lambda: sh("tc qdisc add dev lo root netem delay 1ms; tc qdisc del dev lo root")),
    ("user namespaces, as a user", as_user("unshare -Urmpf --mount-proc true")),
    ("overlayfs", lambda: sh(OVERLAY % "")),
    ("overlayfs in a user namespace", as_user("unshare -Urm sh -ec '" + OVERLAY % ",userxattr" + "'")),
    ("time namespaces", lambda: sh("unshare -T true")),
    ("cgroup2 cpu cpuset io memory pids", controllers),
    ("BPF program for a container's devices", device_program),
    ("BPF and seccomp compiled", jit),
    ("landlock", landlock),
    ("fuse", fuse),
    ("loop device", lambda: device("/dev/loop-control", "loop")),
    ("device mapper", lambda: device("/dev/mapper/control", "dm_mod")),
    ("squashfs", file_system("squashfs")),
    ("btrfs", file_system("btrfs")),
    ("xfs", file_system("xfs")),
    ("vfat", file_system("vfat")),
    ("nfs client", file_system("nfs4")),
    ("binfmt_misc", binfmt_misc),
    ("32-bit programs", program_32_bit),
    ("io_uring", io_uring),
    ("fanotify", call(300, 0, 0)),
    ("userfaultfd", call(323, 0)),
    ("keyrings", keyring),
    ("perf events", perf_event),
    ("ftrace", lambda: sh("d=$(mktemp -d); mount -t tracefs t $d; umount $d")),
    ("BTF types", exists("/sys/kernel/btf/vmlinux")),
    ("pressure (PSI)", exists("/proc/pressure/memory")),
    ("huge pages on request", exists("/sys/kernel/mm/transparent_hugepage/enabled")),
    ("hugetlbfs", file_system("hugetlbfs")),
    ("zram", loaded("zram", "/sys/class/zram-control")),
    ("/proc/config.gz", exists("/proc/config.gz")),
    ("kernel modules", lambda: sh("test $(wc -l </proc/modules) -gt 0")),
    ("nested KVM", loaded("kvm", "/sys/module/kvm")),
    ("kvm-clock", symbol("kvm_clock_get_cycles")),
    ("VMGENID driver", acpi_driver),
    ("virtio-balloon", loaded("virtio_balloon", "/sys/bus/virtio/drivers/virtio_balloon")),
]

before = memory()
print(f"memory\t{before}", flush=True)
for name, probe in FEATURES:
    try:
        detail = probe()
        print(f"{name}\tyes\t{detail or ''}", flush=True)
    except Exception as problem:
        print(f"{name}\tno\t{problem}", flush=True)
