import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { createPaywall } from "../src/index.ts";
import { buildV2 } from "./servers.ts";

const paywall = createPaywall();
serveStdio(() => buildV2(paywall));
