"""What the kernel offers to lock a process up, shared by the sandbox and the parser workers: standard library only.

The sandbox's helper imports it in a process that holds nothing else of the host.

    linux        system calls that Python lacks
    namespaces   users, mounts, processes and network of one's own; a file view that holds little
    landlock     folders that may be read or written
    seccomp      a filter of system calls, made from rules
    syscalls     the rules of a program
"""
