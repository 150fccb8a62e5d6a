"""The child process that runs LibreOffice: it raises the walls, then becomes its parent."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from nacre.system.confinement import landlock, linux, namespaces

_SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/etc", "/opt", "/var/lib", "/var/cache/fontconfig", "/proc", "/dev/urandom",
)  # fmt: skip
_TMP = "/tmp"
_FILE_BYTES, _MEMORY_BYTES = 512 << 20, 4 << 30
_BIND = 4096


def main() -> int:
    """Convert one file in the folder that is named."""
    program, folder, name, new, seconds = sys.argv[1:]
    with suppress(OSError):  # a kernel that gives none leaves the other walls
        namespaces.enter()
        linux.mount(folder.encode(), _TMP.encode(), None, _BIND)
        folder = os.environ["HOME"] = os.environ["TMPDIR"] = _TMP
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    rules = landlock.Ruleset()  # without it nothing is converted
    for place in (*_SYSTEM, str(Path(program).parent.parent)):
        if Path(place).exists():
            rules.allow(place, landlock.EXECUTE)
    rules.allow(folder, landlock.ALL)
    rules.allow("/dev/null", landlock.DEVICE)
    rules.enforce()
    for what, most in (
        (resource.RLIMIT_CPU, int(seconds)),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    profile = Path(folder, "profile").as_uri()
    # Root may write where LibreOffice keeps what all users share, until the walls say no, and then it gives up.
    places = {"UserInstallation": profile, "UNO_SHARED_PACKAGES_CACHE": f"{profile}/shared"}
    options = ["--headless", "--norestore", "--nologo", "--nodefault", *(f"-env:{k}={v}" for k, v in places.items())]
    command = [program, *options, "--convert-to", new, "--outdir", folder, str(Path(folder, name))]
    return subprocess.run(command, cwd=folder, check=False, stdin=subprocess.DEVNULL).returncode
