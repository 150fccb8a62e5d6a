"""An interpreter for a stranger's programs, isolated by the kernel. See `docs/sandbox.md`.

interpreter   PythonInterpreter, what callers use
pool          keeps one helper alive and replaces it
helper        the helper process, seen from outside
exchange      one run: a program goes in, output and an answer come out, a deadline holds
outcome       from what came out to an Execution; values reads the answer's JSON
view          which folders of this machine a program can see
limits        how much of everything it may use
doctor        which protections hold, proved by attacking them
inside/       what runs in the helper
"""

from nacre.reasoning.sandbox.doctor import doctor
from nacre.reasoning.sandbox.interpreter import PythonInterpreter
from nacre.reasoning.sandbox.limits import Limits

__all__ = ["Limits", "PythonInterpreter", "doctor"]
