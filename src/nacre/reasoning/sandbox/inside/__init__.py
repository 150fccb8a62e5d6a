"""What runs inside the helper process: standard library and `nacre.system.confinement` only, imported by no part of the
host.

The host starts `python -I -S -c "from inside.launcher import main; main()"` with this folder's parent on the path,
after the standard library, so nothing of the host's packages, environment or memory is present here.

    launcher    isolates, starts the zygote, waits for it
    zygote      preloads modules, then makes one ready child after another
    child       locks itself down, then takes one program, runs it and answers
"""
