"""The program with which a new sandbox is attacked before it may serve."""

PASSED = {"read_file": True, "list_processes": True, "socket": True, "fork": True, "write_file": True}
PROGRAM = """
import os, socket

def refused(attempt):
    try:
        attempt()
    except OSError:
        return True
    return False

def solution():
    pid = os.getpid()
    def fork():
        if os.fork() == 0:
            os._exit(0)
    return {
        "read_file": refused(lambda: open(path).read()),
        "list_processes": refused(lambda: os.listdir("/proc")),
        "socket": refused(lambda: socket.socket()),
        "fork": refused(fork),
        "write_file": refused(lambda: open("/left-by-the-self-test", "w")),
    }
"""
