// What the examples in doc comments take for granted.
import type { Paywall } from "@licentric/mcp";
import type { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

export { z };
export declare const server: McpServer;
export declare const paywall: Paywall;
