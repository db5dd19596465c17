# An MCP server on standard input and output, in plain Python: nothing in here knows of money.
import json
import sys

BOOKS = ["The Voyage of the Beagle", "A Voyage Round the World", "Walden"]


def schema(**properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


TOOLS = [
    {"name": "ping", "description": "Whether the library is open", "inputSchema": schema()},
    {"name": "search", "description": "Find books", "inputSchema": schema(words={"type": "string"})},
    {
        "name": "read",
        "description": "Read pages of a book",
        "inputSchema": schema(book={"type": "string"}, pages={"type": "integer", "minimum": 1, "maximum": 50}),
    },
]


def text(value, is_error=False):
    return {"content": [{"type": "text", "text": value}], "isError": is_error}


def call(name, args):
    if name == "ping":
        return text("open")
    if name == "search":
        return text("\n".join(book for book in BOOKS if args["words"].lower() in book.lower()))
    if args["book"] not in BOOKS:
        return text("There is no such book.", is_error=True)
    return text("\n".join(f"{args['book']}, page {page + 1}" for page in range(args["pages"])))


def answer(method, params):
    if method == "initialize":
        server = {"name": "library", "version": "1.0.0"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": server}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return call(params["name"], params.get("arguments", {}))
    return {} if method == "ping" else None


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    reply = {"jsonrpc": "2.0", "id": message["id"]}
    result = answer(message["method"], message.get("params", {}))
    reply |= {"error": {"code": -32601, "message": "Method not found"}} if result is None else {"result": result}
    print(json.dumps(reply), flush=True)
