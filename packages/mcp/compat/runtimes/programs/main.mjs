import { makeCalls } from "./calls.mjs";

const { LICENTRIC_API_KEY: apiKey, LICENTRIC_BASE_URL: baseUrl, AGENT_TOKEN: token } = process.env;
process.stdout.write(JSON.stringify(await makeCalls({ apiKey, baseUrl, token })));
