#!/usr/bin/python3
"""A ProxyCommand that breaks: relay.py FOLDER HOST PORT, started by ssh itself.

Each connection takes the next line of FOLDER/plan: `up N`, `down N`: dies when N bytes have gone
that way; `stall N`: stays open, but forwards nothing after N bytes down; none left: works. Each
line that came true is copied to FOLDER/broken.
"""

import os
import select
import socket
import sys
from pathlib import Path


def main() -> None:
    folder, host, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    what, limit = next_line(folder)
    link = socket.create_connection((host, port))
    counts = {"up": 0, "down": 0}
    way = "down" if what == "stall" else what
    while True:
        for ready in select.select([0, link.fileno()], [], [])[0]:
            direction = "up" if ready == 0 else "down"
            data = os.read(0, 8192) if ready == 0 else link.recv(8192)
            if not data:
                return
            counts[direction] += len(data)
            if direction == way and counts[way] >= limit:
                keep = len(data) - (counts[way] - limit)
                forward(direction, data[:keep], link)
                broken(folder, what, limit)
                return
            forward(direction, data, link)


def forward(direction: str, data: bytes, link: socket.socket) -> None:
    if direction == "up":
        link.sendall(data)
    else:
        while data:
            data = data[os.write(1, data) :]


def next_line(folder: Path) -> tuple[str, int]:
    plan = folder / "plan"
    first, _, rest = plan.read_text().partition("\n")
    plan.write_text(rest)
    what, _, number = first.partition(" ")
    return what, int(number or 0)


def broken(folder: Path, what: str, limit: int) -> None:
    with open(folder / "broken", "a") as file:
        file.write(f"{what} {limit}\n")
    if what == "stall":  # until ssh has gone away
        gone = select.poll()
        gone.register(0, 0)
        gone.poll()


if __name__ == "__main__":
    main()
