"""Publishes commands one after the other, clusters without nodes, and prints the id of each that
the broker acknowledged.

usage: stored.py URL PREFIX
"""

import asyncio
import sys
import time
import uuid

import oi_example
from oi.v1 import oi_pb2

PAUSE = 0.3


async def main(url, prefix):
    client = await oi_example.connect(url)
    number = 0
    while True:
        number += 1
        request = oi_pb2.SubmitRequest(command_id=str(uuid.uuid4()), issued_at_ms=time.time_ns() // 1_000_000)
        request.create_cluster.name = f"{prefix}-{number}"
        spec = request.create_cluster.spec
        spec.kubernetes_version, spec.dns_domain = "v1.36.3", "cluster.local"
        spec.pod_cidr, spec.service_cidr = "10.244.0.0/16", "10.96.0.0/12"
        await client.jetstream().publish(
            "oi.submit.admin.power", request.SerializeToString(), headers={"Content-Type": "application/x-protobuf"}
        )
        print(request.command_id, flush=True)
        await asyncio.sleep(PAUSE)


asyncio.run(main(*sys.argv[1:]))
