# An asyncio server as its documentation shows it; asyncio sets SO_REUSEADDR by itself. Listens on every address of both families.
import asyncio
import os
import sys


async def answer(reader, writer):
    writer.write(b"asyncio pid %d\n" % os.getpid())
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(answer, port=int(sys.argv[1]))
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main())
