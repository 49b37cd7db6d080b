"""Tries to publish (or, with `hear`, to subscribe) as the user of OI_NATS_NKEY: prints
`allowed` or `denied` for each subject.

usage: attempt.py URL publish|hear SUBJECT...
"""

import asyncio
import sys

import nats
import oi_example


async def main(url, what, *subjects):
    errors = []

    async def note(error):
        errors.append(str(error))

    client = await oi_example.connect(url, error_cb=note)
    for subject in subjects:
        errors.clear()
        if what == "hear":
            await client.subscribe(subject)
        else:
            await client.publish(subject, b"junk")
        await client.flush(5)
        await asyncio.sleep(0.05)
        denied = any("ermissions" in error for error in errors)
        print("denied" if denied else "allowed", subject)
    await client.close()


asyncio.run(main(*sys.argv[1:]))
