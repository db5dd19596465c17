// #region server
import { createPaywall } from "@licentric/mcp";
import { Skybridge } from "skybridge/server";
import { z } from "zod";
import { forecast } from "../forecast.ts";

const paywall = createPaywall();

const app = new Skybridge({
  name: "weather",
  version: "1.0.0",
  handler: (server) =>
    paywall
      .protect(server, {
        tools: { forecast: { meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true } },
      })
      .registerTool(
        {
          name: "forecast",
          description: "Says what the weather will be.",
          inputSchema: { city: z.string() },
        },
        async ({ city }) => ({ content: await forecast(city) }),
      ),
});

await app.run();
// #endregion
