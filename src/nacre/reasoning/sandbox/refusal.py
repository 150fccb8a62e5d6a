"""What a machine lacks for the sandbox, and the cure."""

from __future__ import annotations

from nacre.errors import SandboxUnavailableError
from nacre.text.language import N_, tr

_CURES = {
    "x86_64": N_("the sandbox knows the system calls of x86_64 only: use a remote interpreter"),
    "seccomp": N_("allow seccomp filters (CONFIG_SECCOMP_FILTER)"),
    "Landlock": N_(
        'use Linux 5.13 or later with `landlock` in /sys/kernel/security/lsm, or ask for level="namespaces"'
    ),
    "user namespaces": N_(
        "allow them (sysctl kernel.apparmor_restrict_unprivileged_userns=0, "
        "user.max_user_namespaces, the container's seccomp profile), or ask for "
        'level="landlock"'
    ),
}
_CURES["mounts and users of its own"] = _CURES["user namespaces"]


def unavailable(missing: list[tuple[str, str]]) -> SandboxUnavailableError:
    """The refusal, with every missing part and its cure."""
    parts = [f"{name} ({answer})" for name, answer in missing]
    cures = [tr(_CURES[name]) for name, _ in missing if name in _CURES]
    listed, cure = ", ".join(parts), "; ".join(dict.fromkeys(cures))
    return SandboxUnavailableError(
        tr(
            "The sandbox refuses to run programs: this machine lacks {listed}. {cure}.",
            listed=listed,
            cure=cure[:1].upper() + cure[1:],
        ),
        missing=tuple(name for name, _ in missing),
    )
