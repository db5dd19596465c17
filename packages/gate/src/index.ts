export type { GateCharge, GateConfig } from "./config/gate-config.ts";
export { GateConfigError } from "./config/parse-config.ts";
export { type Gate, type GateOptions, startGate } from "./start-gate.ts";
