import { serve } from "./serve.ts";

// The least that a JSON API can do: node:http, read the body, parse it, answer it.
serve((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", () => {
    const answer = JSON.stringify({ data: JSON.parse(body || "null") });
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(answer),
    });
    response.end(answer);
  });
});
