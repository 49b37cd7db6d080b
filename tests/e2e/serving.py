"""Asks clusters for /readyz by their kubeconfigs, again and again, until each has said yes
once. Prints the kubeconfig and the time in ms when it did.

usage: serving.py KUBECONFIG...
"""

import http.client
import sys
import threading
import time

from prober import Cluster


def serves(cluster):
    connection = cluster.connect()
    connection.timeout = 2
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def wait_for(path):
    cluster = Cluster(path)
    while not serves(cluster):
        time.sleep(0.3)
    print(path, int(time.time() * 1000), flush=True)


for path in sys.argv[1:]:
    threading.Thread(target=wait_for, args=(path,)).start()
