import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { type AgentCard, type Message, Role } from "@a2a-js/sdk";
import { AgentEvent, type AgentExecutor, DefaultRequestHandler, InMemoryTaskStore } from "@a2a-js/sdk/server";
import { agentCardHandler, jsonRpcHandler, UserBuilder } from "@a2a-js/sdk/server/express";
import { bearerToken, createPaywall, RefusedError } from "@licentric/paywall";
import express from "express";

const port = Number(process.env["PORT"] ?? 3000);
const paywall = createPaywall(); // LICENTRIC_BASE_URL says where the API is
paywall.on("failed", ({ reason, error }) => console.error(reason, error));

/** Counts the words of what it is sent. */
const executor: AgentExecutor = {
  async execute({ userMessage, contextId, context }, eventBus) {
    const headers = context.state.get("headers") as Record<string, string | undefined>;
    const text = userMessage.parts
      .map(({ content }) => (content?.$case === "text" ? content.value : ""))
      .join(" ");
    const answer = (value: string) => {
      eventBus.publish(AgentEvent.message(messageOf(contextId, value)));
      eventBus.finished();
    };
    try {
      const words = await paywall.charge(
        {
          token: headers["authorization"] && bearerToken(headers["authorization"]),
          name: "count words",
          args: { text },
          // Another agent that sends its message again is answered again, and billed once.
          idempotencyKey: userMessage.messageId,
        },
        { meterName: "api_calls", charge: "success" },
        async () => text.split(/\s+/).filter(Boolean).length,
      );
      answer(`${words} words`);
    } catch (error) {
      // A sentence that the other agent's model can act on.
      if (error instanceof RefusedError) answer(error.message);
      else throw error;
    }
  },
  async cancelTask(_taskId, eventBus) {
    eventBus.finished();
  },
};

function messageOf(contextId: string, text: string): Message {
  return {
    messageId: randomUUID(),
    contextId,
    taskId: "",
    role: Role.ROLE_AGENT,
    parts: [{ content: { $case: "text", value: text }, metadata: undefined, filename: "", mediaType: "" }],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  };
}

const app = express();
const http = createServer(app);
http.listen(port, "127.0.0.1", () => {
  const address = http.address();
  const url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : port}/a2a`;
  const card: AgentCard = {
    name: "Words",
    description: "Counts the words of a text",
    version: "1.0.0",
    supportedInterfaces: [{ url, protocolBinding: "JSONRPC", protocolVersion: "1.0", tenant: "" }],
    provider: undefined,
    capabilities: { extensions: [] },
    securitySchemes: {
      licentric: {
        scheme: {
          $case: "httpAuthSecurityScheme",
          value: { scheme: "bearer", bearerFormat: "AGT-…", description: "The agent's own token" },
        },
      },
    },
    securityRequirements: [{ schemes: { licentric: { list: [] } } }],
    defaultInputModes: ["text/plain"],
    defaultOutputModes: ["text/plain"],
    skills: [],
    signatures: [],
  };
  const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
  app.use("/.well-known/agent-card.json", agentCardHandler({ agentCardProvider: requestHandler }));
  app.use("/a2a", jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }));
  console.log(`Words on ${url}`);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    http.close(() => void paywall.close());
    http.closeAllConnections();
  });
}
