// #region server
import { createPaywall } from "@licentric/mcp";
import type { ToolMetadata } from "xmcp";
import { z } from "zod";
import { forecast } from "../../../forecast.ts";

const paywall = createPaywall();

export const schema = { city: z.string() };

export const metadata: ToolMetadata = { name: "forecast", description: "Says what the weather will be." };

export default paywall.tool(
  { name: "forecast", meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true },
  async ({ city }: { city: string }) => forecast(city),
);
// #endregion
