"""Give root up for good and become a program: `python -I become.py USER GROUP PROGRAM …`, by numbers and a whole path.

It is run by its own path, since it needs nothing but Python, and nothing of that once root is given up, when Python may
be out of reach. supervisord itself knows only users that have a name.
"""

import ctypes
import os
import sys

_NO_NEW_PRIVILEGES = 38  # of prctl(2): no program with a setuid bit makes root of it again

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    user, group = int(sys.argv[1]), int(sys.argv[2])
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606  # becomes the program, so that its pid is the supervised one
