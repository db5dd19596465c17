export { type FastifyChargeOptions, paywallPlugin } from "./fastify/fastify-plugin.ts";
