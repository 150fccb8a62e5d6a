"""What a machine lacks for the sandbox, and the cure."""

from __future__ import annotations

from nacre.errors import SandboxUnavailableError
from nacre.text.language import tr

_CURES = {
    "x86_64": (
        "the sandbox knows the system calls of x86_64 only: use a remote interpreter",
        "沙箱仅支持 x86_64 的系统调用：请使用远程解释器",
    ),
    "seccomp": ("allow seccomp filters (CONFIG_SECCOMP_FILTER)", "请启用 seccomp 过滤器（CONFIG_SECCOMP_FILTER）"),
    "Landlock": (
        'use Linux 5.13 or later with `landlock` in /sys/kernel/security/lsm, or ask for level="namespaces"',
        '请使用 Linux 5.13 或更高版本并启用 landlock，或指定 level="namespaces"',
    ),
    "user namespaces": (
        "allow them (sysctl kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces, the container's seccomp profile), "
        'or ask for level="landlock"',
        '请允许用户命名空间（sysctl kernel.apparmor_restrict_unprivileged_userns=0、user.max_user_namespaces、容器的 seccomp 配置），或指定 level="landlock"',
    ),
}
_CURES["mounts and users of its own"] = _CURES["user namespaces"]


def unavailable(missing: list[tuple[str, str]]) -> SandboxUnavailableError:
    """The refusal, with every missing part and its cure."""
    parts = [f"{name} ({answer})" for name, answer in missing]
    cures = [tr(*_CURES[name]) for name, _ in missing if name in _CURES]
    listed, cure = ", ".join(parts), "; ".join(dict.fromkeys(cures))
    return SandboxUnavailableError(
        tr(
            "The sandbox refuses to run programs: this machine lacks {listed}. {cure}{cure2}.",
            listed=listed,
            cure=cure[:1].upper(),
            cure2=cure[1:],
            cure3=cure,
        ),
        missing=tuple(name for name, _ in missing),
    )
