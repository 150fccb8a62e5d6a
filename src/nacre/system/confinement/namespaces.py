"""Namespaces of the helper: its own users, mounts, processes, network, and files: little more than Python's."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from . import linux

NOBODY = 65534
BOX, SCRATCH = "/box", "/box/tmp"  # Landlock looks past a mount point, so its rule goes on the folder above
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_OTHERS = {
    "mount": linux.CLONE_NEWNS,
    "pid": linux.CLONE_NEWPID,
    "net": linux.CLONE_NEWNET,
    "ipc": linux.CLONE_NEWIPC,
    "uts": linux.CLONE_NEWUTS,
}


def enter() -> None:
    """Move into new namespaces. The process ids change for the next child, which will be process 1."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _enter_as_root()
    else:
        linux.unshare(linux.CLONE_NEWUSER, "user")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")
    for name, flag in _OTHERS.items():
        linux.unshare(flag, name)
    socket.sethostname("sandbox")
    with suppress(OSError):  # it hides the name of the control group, which no program can read anyway
        linux.unshare(linux.CLONE_NEWCGROUP, "cgroup")


def _enter_as_root() -> None:
    """Root is mapped together with nobody, so that the helper can build its view as the one and go on as the other."""
    os.setgroups([])
    parent = os.getpid()
    entered, mapped = os.pipe(), os.pipe()
    mapper = os.fork()
    if mapper == 0:  # stays outside, where it may write a map of two users
        os.close(entered[1])
        done = os.read(entered[0], 1)
        try:
            for kind in ("uid", "gid"):
                Path(f"/proc/{parent}/{kind}_map").write_text(f"0 0 1\n{NOBODY} {NOBODY} 1")
            os.write(mapped[1], done)
        finally:
            os._exit(0)
    os.close(mapped[1])
    try:
        linux.unshare(linux.CLONE_NEWUSER, "user")
        os.write(entered[1], b"1")
        if os.read(mapped[0], 1) != b"1":
            raise PermissionError(1, "the map of users was refused", "unshare(user)")
    finally:
        for fd in (*entered, mapped[0]):
            os.close(fd)
        os.waitpid(mapper, 0)


def build_view(readable: Sequence[str], hidden: Sequence[str]) -> None:
    """Replace the whole file tree by a read-only one with copies of some folders, of which hidden ones look empty."""
    linux.mount(None, b"/", None, linux.MS_REC | linux.MS_PRIVATE)
    closed = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
    trees = {path: linux.clone_tree(path, closed) for path in readable}
    # Read-only too: a device is written all the same, but its inode, which is the host's, takes no time, mode, owner or
    # attribute.
    device = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NOEXEC
    trees |= {path: linux.clone_tree(path, device) for path in DEVICES if Path(path).exists()}
    links = {path: str(Path(path).readlink()) for path in ("/lib", "/lib64") if Path(path).is_symlink()} | {
        "/tmp": SCRATCH
    }
    root_flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount(b"view", b"/tmp", b"tmpfs", root_flags, b"size=256k,mode=755")
    os.chdir("/tmp")
    for path in sorted([*trees, *hidden]):  # a folder comes before what lies in it
        if path in trees:
            _place(path, trees[path])
        else:
            linux.mount(b"hidden", os.fsencode(_here(path)), b"tmpfs", root_flags, b"size=64k,mode=755")
    for path in hidden:
        linux.mount(
            None, os.fsencode(_here(path)), None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | root_flags
        )
    _here(SCRATCH).mkdir(parents=True)
    for path, target in links.items():
        if not os.path.lexists(_here(path)):  # Python may be installed there
            _here(path).symlink_to(target)
    linux.syscall("pivot_root", b".", b".")
    linux.umount(b".", linux.MNT_DETACH)
    os.chdir("/")
    linux.mount(None, b"/", None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | root_flags)


def _place(path: str, tree: int) -> None:
    target = _here(path)
    if Path(f"/proc/self/fd/{tree}").is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    linux.attach_tree(tree, str(target))


def _here(path: str) -> Path:
    """The place of an absolute path in the view that is being built in the current folder."""
    return Path(path.lstrip("/"))


def become_nobody(files_as_root: bool = False) -> None:
    """Give up the uid of root, keeping the capabilities of this user namespace for making children, and root's uid for
    opening files alone where Python itself is closed to everybody else.
    """
    linux.prctl(linux.PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if files_as_root:
        linux.keep_capabilities(linux.CAP_SETUID)  # the change of user left it permitted, but not effective
        linux.setfsuid(0)


def mount_scratch(size: int, files: int) -> None:
    """Give this process an empty folder of its own for so many bytes and files, and go there."""
    linux.unshare(linux.CLONE_NEWNS, "mount")
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount(b"scratch", os.fsencode(SCRATCH), b"tmpfs", flags, f"size={size},nr_inodes={files},mode=700".encode())
    os.chdir(SCRATCH)


def nobody_can_read(paths: Sequence[str]) -> bool:
    """Whether `become_nobody` would leave these files and folders readable, tried in a child."""
    pid = os.fork()
    if pid == 0:
        try:
            become_nobody()
            os._exit(0 if all(os.access(path, os.R_OK) for path in paths) else 1)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
