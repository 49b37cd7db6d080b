"""Writes to a cluster and reads from it all the time, as kubectl does: each request on a
connection of its own, tried again only where the API server says when. Prints `ok` or
`failed` and the time in ms for each write with its read, and why it failed to stderr. The
kubeconfig is read again when it changes.

usage: prober.py KUBECONFIG PREFIX
"""

import base64
import http.client
import json
import os
import re
import ssl
import sys
import tempfile
import time
import urllib.parse

TIMEOUT = 5
PAUSE = 0.1
MAPS = "/api/v1/namespaces/default/configmaps"


class Cluster:
    """Where a kubeconfig leads to, and with which certificates."""

    def __init__(self, path):
        self.path, self.read_at = path, None

    def connect(self):
        changed = os.stat(self.path).st_mtime_ns
        if changed != self.read_at:
            self.read(open(self.path).read())
            self.read_at = changed
        return http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT, context=self.context)

    def read(self, text):
        def value(key):
            return re.search(rf'\b{key}: *"?([^"\s]+)', text).group(1)

        server = urllib.parse.urlsplit(value("server"))
        self.host, self.port = server.hostname, server.port
        authority = base64.b64decode(value("certificate-authority-data")).decode()
        self.context = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as own:
            for key in ("client-certificate-data", "client-key-data"):
                own.write(base64.b64decode(value(key)))
            own.flush()
            self.context.load_cert_chain(own.name)

    def request(self, method, path, body=None):
        for _ in range(10):
            connection = self.connect()
            try:
                connection.request(method, path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
            finally:
                connection.close()
            after = answer.getheader("Retry-After")
            if answer.status < 300:
                return
            if after is None or (answer.status != 429 and answer.status < 500):
                break
            time.sleep(int(after))
        raise OSError(f"{method} {path}: {answer.status} {text[:200]!r}")


def main(path, prefix):
    cluster, number = Cluster(path), 0
    while True:
        number += 1
        name = f"{prefix}-{number}"
        written = json.dumps({"metadata": {"name": name}, "data": {"a": "b"}})
        try:
            cluster.request("POST", MAPS, written)
            cluster.request("GET", f"{MAPS}/{name}")
            how = "ok"
        except (OSError, http.client.HTTPException, AttributeError, ValueError) as error:
            print(time.strftime("%H:%M:%S"), name, repr(error), file=sys.stderr, flush=True)
            how = "failed"
        print(how, int(time.time() * 1000), flush=True)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main(*sys.argv[1:])
