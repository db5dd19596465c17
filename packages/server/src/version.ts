/** The version of this server, as its OpenAPI document says it. */
export const version = "0.0.0";
