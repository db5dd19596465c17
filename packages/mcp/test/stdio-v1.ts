import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { createPaywall } from "../src/index.ts";
import { buildV1 } from "./servers.ts";

await buildV1(createPaywall()).connect(new StdioServerTransport());
