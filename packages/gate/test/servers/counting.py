# An MCP server on stdio in plain Python, without packages: its tool says how much it used.
import json
import sys

TOOL = {"name": "count", "inputSchema": {"type": "object", "properties": {"used": {"type": "integer"}}}}


def answer(message):
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "counting", "version": "1"}}
    if method == "tools/list":
        return {"tools": [TOOL]}
    given = params.get("arguments", {})
    text = [{"type": "text", "text": "counted"}]
    return {"content": text, "structuredContent": {"used": given["used"]}, "isError": given.get("fail", False)}


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    start = '{"jsonrpc": "2.0", "id": ' + json.dumps(message["id"])
    if message["method"] == "tools/call" and message["params"]["name"] != "count":
        print(start + ', "error": {"code": -32602, "message": "Unknown tool", "data": 1e3}}', flush=True)
    else:
        print(start + ', "result": ' + json.dumps(answer(message)) + "}", flush=True)
