import { Pool } from "undici";
import { readText } from "./read-text.ts";
import { serve } from "./serve.ts";

// Passes each request on to the server at `UPSTREAM`, and its response back, and looks at neither.
const pool = new Pool(process.env["UPSTREAM"] ?? "", { pipelining: 1 });

serve(async (request, response) => {
  const { host: _, connection: _own, "content-length": _length, ...headers } = request.headers;
  const passed = await pool.request({
    method: "POST",
    path: request.url ?? "/",
    headers,
    body: await readText(request),
  });
  response.writeHead(passed.statusCode, { "content-type": "application/json" });
  response.end(await passed.body.text());
});
