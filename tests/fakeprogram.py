#!/usr/bin/python3 -IS
"""All programs of all fake schedulers: FAKE/<accent>/bin/<program> is a link to this file.

It hands what it was called with to the cluster's server (fakeserver.py), and says what that says.
"""

# The public `socket` takes longer to import than all else takes; a scheduler's program is called
# for each job.
import _socket
import marshal
import os
import sys

READERS = ("qsub", "bsub", "condor_submit")


def main() -> int:
    path, *arguments = sys.argv
    bin, program = os.path.split(path)
    stdin = sys.stdin.buffer.read() if program in READERS and not sys.stdin.isatty() else b""
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        link.connect(os.path.dirname(bin) + "/socket")
    except OSError as error:
        sys.stderr.write(f"{program}: the fake cluster is not running: {error}\n")
        return 1
    link.sendall(marshal.dumps(([program, *arguments], stdin, dict(os.environ), os.getcwd())))
    link.shutdown(_socket.SHUT_WR)
    answer = b"".join(iter(lambda: link.recv(65536), b""))
    code, out, err = marshal.loads(answer)
    sys.stdout.buffer.write(out)
    sys.stderr.buffer.write(err)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
