"""Let running servers serve the present champion: restart them one after the other, under load.

    PORTS="5001 5002" RESTART="systemctl restart onet-gwa-serve@{port}" MODEL=onet-gwa python tools/switch.py

All three have these defaults. RESTART is what restarts the server on a port of this machine, and returns when the old
one has ended. The next server is restarted when the one before it answers with the champion, and none while no other
one answers. Exit status: 1, with one line, when that cannot be, or the champion cannot be served.
"""

import http.client
import os
import shlex
import subprocess
import sys
import time
from urllib.parse import unquote

from serve import need_champion

NAME = "make switch"
SECONDS = 180


def serving(port):
    """Return the name of the model that is served on a port of this machine, such as "onet-gwa/3"; None if none is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/ping")
        response = connection.getresponse()
        return unquote(response.getheader("X-Model", "another server")) if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def restart(command, port, champion):
    """Restart the server on a port, and wait until it answers with the champion; exit with one line if it does not."""
    try:
        done = subprocess.run([word.replace("{port}", str(port)) for word in shlex.split(command)])
    except OSError as error:
        sys.exit(f"{NAME}: RESTART={command} cannot be run: {error}")
    if done.returncode:
        sys.exit(f"{NAME}: RESTART={command} ended with status {done.returncode} for port {port}")
    end = time.monotonic() + SECONDS
    while (served := serving(port)) != champion:
        if time.monotonic() > end:
            sys.exit(
                f"{NAME}: port {port} serves {served}, not {champion}, after {SECONDS} s; the next are as they were"
            )
        time.sleep(0.5)
    print(f"{NAME}: port {port} serves {champion}", flush=True)


def main():
    ports = os.environ.get("PORTS", "").split() or ["5001", "5002"]
    if not all(port.isdecimal() and 0 < int(port) < 2**16 for port in ports):
        sys.exit(f"{NAME}: PORTS={' '.join(ports)} are not all numbers from 1 to 65535")
    usual = "systemctl restart onet-gwa-serve@{port}"
    command, reason = os.environ.get("RESTART") or usual, "it is blank"
    try:
        words = shlex.split(command)
    except ValueError as error:
        words, reason = [], error
    if not words:
        sys.exit(f"{NAME}: RESTART={command} is no command ({reason}); leave it out for {usual}")
    champion = need_champion(NAME, os.environ.get("MODEL") or "onet-gwa").removeprefix("models:/")
    for port in ports:
        if not any(serving(other) for other in ports if other != port):
            sys.exit(
                f"{NAME}: no other of PORTS={' '.join(ports)} answers while port {port} is restarted; start one"
            )
        restart(command, port, champion)


if __name__ == "__main__":
    main()
