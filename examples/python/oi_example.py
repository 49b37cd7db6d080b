#!/usr/bin/env python3
"""A producer and a consumer: see examples/README.md.

Needs nats-py and protobuf (requirements.txt), and the messages generated beside it:
    python3 -m grpc_tools.protoc -I proto --python_out=examples/python oi/v1/oi.proto
"""

import asyncio
import os
import pathlib
import ssl
import sys
import time
import uuid

import nats
from oi.v1 import oi_pb2

PATIENCE = 5


async def connect(url, **options):
    """Connects without end; with an nkey, TLS and an inbox where the environment names them."""
    if "OI_NATS_NKEY" in os.environ:
        options["nkeys_seed"] = os.environ["OI_NATS_NKEY"]
    if "OI_NATS_CA" in os.environ:
        options["tls"] = ssl.create_default_context(cafile=os.environ["OI_NATS_CA"])
    if "OI_NATS_INBOX" in os.environ:
        options["inbox_prefix"] = os.environ["OI_NATS_INBOX"]
    return await nats.connect(
        url, max_reconnect_attempts=-1, reconnect_time_wait=0.2, **options
    )


async def submit(client, producer, request):
    """Publishes until an outcome comes; the same command is decided once."""
    while True:
        inbox = client.new_inbox()
        outcomes = await client.subscribe(inbox, max_msgs=1)
        headers = {"Content-Type": "application/x-protobuf", "Oi-Reply-To": inbox}
        try:
            await client.jetstream().publish(
                f"oi.submit.admin.{producer}", request.SerializeToString(), headers=headers
            )
            told = await outcomes.next_msg(timeout=PATIENCE)
        except (nats.errors.Error, asyncio.TimeoutError) as error:
            print(f"once more: {error!r}", file=sys.stderr)
            await asyncio.sleep(0.2)
            continue
        return oi_pb2.CommandOutcome.FromString(told.data)


async def produce(url, producer):
    """Registers hypervisors, and prints what became of each."""
    client = await connect(url)
    for name in sys.stdin.read().split():
        request = oi_pb2.SubmitRequest(
            command_id=str(uuid.uuid4()), issued_at_ms=time.time_ns() // 1_000_000
        )
        request.register_hypervisor.name = name
        request.register_hypervisor.cri_endpoint = f"unix:///run/{name}.sock"
        request.register_hypervisor.address = "192.0.2.1"
        request.register_hypervisor.port_low = 30000
        request.register_hypervisor.port_high = 32767
        request.register_hypervisor.data_dir = "/var/lib/oi"
        outcome = await submit(client, producer, request)
        if outcome.WhichOneof("outcome") == "decided":
            print(f"{name}: decided at position {outcome.decided.position}")
        else:
            print(f"{name}: refused ({outcome.rejected.code}): {outcome.rejected.message}")
    await client.close()


def place(event_id):
    """The place of an event: its commit's position, and its number there."""
    position, index = event_id.split(".")
    return int(position), int(index)


async def consume(url, name, file):
    """Appends each event to a file, once."""
    path = pathlib.Path(file)
    written = path.read_text().splitlines() if path.exists() else []
    last = place(written[-1].split()[0]) if written else (0, 0)
    client = await connect(url)
    with path.open("a") as out:
        while True:
            try:
                events = await client.jetstream().pull_subscribe("oi.feed.>", durable=name, stream="OI_FEED")
                while True:
                    for message in await events.fetch(100, timeout=2):
                        event = oi_pb2.WatchResponse.FromString(message.data)
                        if (event.position, event.index) > last:
                            print(event.resume_token, event.event, file=out, flush=True)
                            last = (event.position, event.index)
                        await message.ack()
            except asyncio.TimeoutError:
                pass
            except nats.errors.Error as error:
                print(f"going on after {last}: {error!r}", file=sys.stderr)
                await asyncio.sleep(0.5)


def main():
    match sys.argv[1:]:
        case ["produce", url, producer]:
            asyncio.run(produce(url, producer))
        case ["consume", url, name, file]:
            asyncio.run(consume(url, name, file))
        case _:
            sys.exit("usage: oi_example.py produce NATS_URL PRODUCER | consume NATS_URL NAME FILE")


if __name__ == "__main__":
    main()
