// #region server
import "reflect-metadata";
import { createPaywall } from "@licentric/mcp";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { Payload } from "@nestjs/microservices";
import { McpController, McpStrategy, StreamableHttpTransport, Tool } from "@rekog/mcp-nest";
import { z } from "zod";
import { forecast } from "../forecast.ts";

const paywall = createPaywall();
const mcp = new McpStrategy({
  name: "weather",
  version: "1.0.0",
  transports: [new StreamableHttpTransport()],
  serverMutator: (server) =>
    paywall.protect(server, {
      tools: { forecast: { meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true } },
    }),
});

@McpController()
class WeatherController {
  @Tool({
    name: "forecast",
    description: "Says what the weather will be.",
    parameters: z.object({ city: z.string() }),
  })
  async forecast(@Payload() { city }: { city: string }) {
    return { content: [{ type: "text", text: await forecast(city) }] };
  }
}

@Module({ controllers: [WeatherController] })
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ["error", "warn"] });
mcp.setHttpAdapter(app.getHttpAdapter());
app.connectMicroservice({ strategy: mcp });
await app.startAllMicroservices();
await app.listen(Number(process.env["PORT"]));
// #endregion
