"""The clients of the Python packages `mcp` (in either era) and `fastmcp`.

mcp_client.py auto|legacy|fastmcp SERVER-WORDS STEPS; a step's `seconds` is when
its call is given up, which the server is told.
"""

import asyncio
import json
import os
import sys

kind, server, steps = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
environment = dict(os.environ)


def connected():
    if kind == "fastmcp":
        from fastmcp import Client
        from fastmcp.client.transports import StdioTransport

        return Client(StdioTransport(server[0], server[1:], env=environment, keep_alive=False))
    from mcp import Client, StdioServerParameters

    return Client(StdioServerParameters(command=server[0], args=server[1:], env=environment), mode=kind)


async def call(client, step):
    given = {"raise_on_error": False} if kind == "fastmcp" else {}
    result = await client.call_tool(step["tool"], step["arguments"], **given)
    error = getattr(result, "is_error", False)
    structured = getattr(result, "structured_content", None)
    text = "\n".join(getattr(part, "text", "") for part in result.content)
    return {"error": bool(error), "structured": structured, "text": text}


async def main():
    results, seen = [], {"results": None}
    async with connected() as client:
        tools = await client.list_tools()
        seen["tools"] = [tool.name for tool in getattr(tools, "tools", tools)]
        if step_kinds := [step["list"] for step in steps if "list" in step]:
            for what in step_kinds:
                found = await getattr(client, f"list_{what}")()
                seen[what] = [item.name for item in getattr(found, what, found)]
        for step in steps:
            if "tool" not in step:
                continue
            try:
                async with asyncio.timeout(step.get("seconds", 200)):
                    results.append(await call(client, step))
            except TimeoutError:
                results.append({"given_up": True})
            except Exception as error:
                results.append({"thrown": repr(error)})
    seen["results"] = results
    print(json.dumps(seen))


asyncio.run(main())
