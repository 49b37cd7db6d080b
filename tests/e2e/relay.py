"""Passes what comes to one Unix socket on to another, until it is stopped: a link that a test can
hold up (SIGSTOP) or break.

usage: relay.py LISTEN TO
"""

import asyncio
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # Either side may break off; the other one is told by the end.
    writer.close()


async def main(listen, to):
    async def accept(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(to)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    async with await asyncio.start_unix_server(accept, listen) as server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
