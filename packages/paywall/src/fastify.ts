export { type FastifyChargeOptions, paywallPlugin } from "./http/fastify-plugin.ts";
