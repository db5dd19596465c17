import { makeCalls } from "./calls.mjs";

export default {
  async fetch(_request, { apiKey, baseUrl, token }) {
    return Response.json(await makeCalls({ apiKey, baseUrl, token }));
  },
};
